"""Acceptance tests: the CLI and the processes, end to end."""
