"""The witness: the head of the audit log, kept outside the database, so that a restore is noticed."""
