"""Domains and their delegations."""
