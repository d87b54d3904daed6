"""How fast it is, beside what one would use otherwise: ``pytest benchmarks``, ``python -m benchmarks``."""
