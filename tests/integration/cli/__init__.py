"""Commands against a real Postgres, in the tests' own process: what a person reads, and the exit code."""
