"""Domains: the providers that their proofs go to."""
