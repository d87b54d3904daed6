"""From sources into a store: batches, merged one after the other, exactly once."""
