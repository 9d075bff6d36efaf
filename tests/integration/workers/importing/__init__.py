"""Imports beside other work."""
