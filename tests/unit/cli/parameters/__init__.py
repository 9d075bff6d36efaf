"""Tests of what users type as values of options."""
