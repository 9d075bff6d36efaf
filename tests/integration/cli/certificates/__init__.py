"""CLI tests of orders and certificates."""
