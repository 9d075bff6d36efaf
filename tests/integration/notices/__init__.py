"""Tests of notices: what is told, when, and what happens if it cannot be."""
