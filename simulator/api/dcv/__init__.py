"""Domain control validation."""
