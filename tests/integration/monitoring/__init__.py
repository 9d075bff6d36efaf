"""Integration tests of the figures, the patrol of the audit log, and what watches the line."""
