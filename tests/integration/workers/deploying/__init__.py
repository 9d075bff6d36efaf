"""Deploy hooks."""
