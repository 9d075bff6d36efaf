"""Domains: their validation, and the providers that their proofs go to."""
