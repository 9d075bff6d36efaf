"""Integration tests of commands against a real Postgres, run in this process: output and exit codes."""
