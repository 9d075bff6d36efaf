"""Moves of orders and certificates: statuses, succession and deletion."""
