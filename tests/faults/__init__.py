"""Fault tests: processes that are killed, servers that go away."""
