"""Tests of what an attacker tries, one file for each thing that has to hold (docs/security.md)."""
