"""Crash points: the scan for effects, their registry, and the injection of crashes."""
