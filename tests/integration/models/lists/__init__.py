"""Tests of lists that the board shows."""
