"""Waiting for commands and batches, with progress."""
