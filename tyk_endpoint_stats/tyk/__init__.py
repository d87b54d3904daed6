"""Tyk's own forms of the data we count: pure functions over what Tyk Pump leaves in other people's stores."""
