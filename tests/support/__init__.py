"""Helpers of several kinds of tests: builders, processes, stand-ins."""
