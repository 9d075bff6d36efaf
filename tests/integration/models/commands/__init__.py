"""Accepting and claiming commands."""
