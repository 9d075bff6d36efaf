"""Commands on automatic renewal and on batches of renewals."""
