"""Questions over any store that can be read: what is asked becomes a selection, states become rows."""
