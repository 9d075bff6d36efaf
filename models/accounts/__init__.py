"""Accounts at SCM: logins, synced catalogue, breaker and rate limit."""
