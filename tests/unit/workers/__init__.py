"""The workers' parts that need nothing."""
