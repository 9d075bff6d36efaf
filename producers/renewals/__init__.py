"""Automatic renewal and batches of renewals."""
