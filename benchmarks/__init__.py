"""Benchmarks, each of which compares two ways of doing the same work in one run."""
