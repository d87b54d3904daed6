"""What files look like: for each form what recognises it, what opens it and what decodes it."""
