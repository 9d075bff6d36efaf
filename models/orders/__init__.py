"""Orders: rows, private keys, checks against the catalogue, and reconciliation."""
