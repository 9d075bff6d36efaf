"""Tests of what an attacker tries, one file for each door."""
