"""From values to HTML and SVG: templates, charts, and how numbers are written for people."""
