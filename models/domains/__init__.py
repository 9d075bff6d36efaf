"""Domains and their validation: where the proofs go, what is under way, and what is due."""
