"""Unit tests: they need nothing."""
