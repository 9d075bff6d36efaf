"""Requests of operators, users and other systems."""
