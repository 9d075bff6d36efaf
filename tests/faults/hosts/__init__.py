"""Fault tests with several of each part on several hosts, whose clocks differ: a host is frozen, or cut off."""
