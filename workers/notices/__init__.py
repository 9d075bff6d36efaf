"""Sending of notices, by apprise."""
