"""Clients of SCM that nobody here wrote, run against the simulator: they know what the real one does."""
