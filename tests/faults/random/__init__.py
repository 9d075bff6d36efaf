"""Random kills by seed, and the report of their runs."""
