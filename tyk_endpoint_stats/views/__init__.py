"""From merged states to what a page says: periods, lines, totals, changes, sentences. Pure, and no HTML."""
