"""Generator of docs/metrics.md."""
