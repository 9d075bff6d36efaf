"""Figures of the whole installation for monitoring: what they are called, how they are counted and kept."""
