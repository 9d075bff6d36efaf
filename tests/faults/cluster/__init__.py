"""Fault tests with real clusters: nodes killed, cut off, frozen and restarted while the line works."""
