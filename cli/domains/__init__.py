"""`certline domain`: domains and their validation."""
