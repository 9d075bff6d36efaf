"""Connections, sessions, column types, bulk statements and migrations."""
