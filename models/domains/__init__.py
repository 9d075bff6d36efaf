"""Validation of domains: where their proofs go."""
