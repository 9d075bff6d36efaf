"""Validation of domains: the step that does it, stage by stage, and the providers that proofs go to."""
