"""Accounts: the breaker."""
