"""Automatic and batched renewals: selection, timing, plan, runs and pace."""
