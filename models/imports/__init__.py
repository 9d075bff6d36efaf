"""Imports: the records that SCM listed, and how far an import is."""
