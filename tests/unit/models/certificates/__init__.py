"""Certificates: lineage, deploy hooks, back-off, and the licence forecast."""
