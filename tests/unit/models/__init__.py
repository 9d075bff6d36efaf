"""Unit tests of rules, states and secrets, without any server."""
