"""Metrics of a process: counters and histograms of its own work, and how they are served to Prometheus."""
