"""The two routes over HTTP: a pure function from request to response, and shells that carry it."""
