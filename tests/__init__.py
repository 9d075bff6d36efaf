"""Tests of certline."""
