"""Tests of alerts and dashboard: by promtool, and by a Prometheus that watches a running line."""
