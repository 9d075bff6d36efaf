"""Notices for people: their routes, and the news that no event reports."""
