"""Renewals: timing, pace, forecast and expiry events."""
