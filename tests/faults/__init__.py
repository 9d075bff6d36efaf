"""Fault tests: processes are killed, servers and networks fail."""
