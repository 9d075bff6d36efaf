"""Simulator of SCM for the demo, the tests and staging; independent of the rest of certline."""
