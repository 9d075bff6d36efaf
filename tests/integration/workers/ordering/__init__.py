"""Orders: sent once, found again, decided, renewed."""
