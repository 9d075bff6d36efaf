"""Senders: other systems that may send commands, what each may send, and what it has ordered."""
