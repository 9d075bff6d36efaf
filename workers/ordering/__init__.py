"""Orders on their way to SCM: placement, succession, submission and lookup."""
