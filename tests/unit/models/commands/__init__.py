"""Commands: their envelope and their payloads."""
