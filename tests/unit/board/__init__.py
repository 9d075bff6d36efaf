"""Tests of the board that need no server."""
