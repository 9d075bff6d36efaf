"""Pages of automatic renewal: overview, runs, decisions and batches."""
