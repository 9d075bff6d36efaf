"""What several kinds of tests use: builders, processes, stand-ins."""
