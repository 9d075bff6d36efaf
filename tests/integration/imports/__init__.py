"""Integration tests of imports, and of drift that others cause at SCM."""
