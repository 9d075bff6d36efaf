"""Domains in the database: the ends of their validations, and what depends on them."""
