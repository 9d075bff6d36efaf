"""Restores of the database, and the recovery after one."""
