"""Unit tests, which need no server."""
