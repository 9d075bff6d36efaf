"""Third-party clients of SCM, run against the simulator: they know how the real one behaves."""
