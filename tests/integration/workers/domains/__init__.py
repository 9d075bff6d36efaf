"""Tests of the validation of domains."""
