"""Tests of the rules of domains and their validation."""
