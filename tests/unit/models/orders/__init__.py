"""Orders: their checks, and the reconciliation of unknown outcomes."""
