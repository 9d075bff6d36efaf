"""Validation of domains: the providers that proofs go to."""
