"""What keeps a store in order: copy, verify, status."""
