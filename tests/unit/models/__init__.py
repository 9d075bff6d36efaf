"""The rules, states and secrets, without any server."""
