"""CLI tests of values that nobody should type."""
