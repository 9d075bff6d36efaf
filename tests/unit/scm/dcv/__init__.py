"""Tests of the calls that validate a domain (DCV)."""
