"""Restores of the database, with real servers: nothing is ordered twice."""
