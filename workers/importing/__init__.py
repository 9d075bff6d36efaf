"""Imports: reading SCM's lists and records, and storing them as orders."""
