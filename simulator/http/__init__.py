"""Routing of calls, logins, pages, and the control door."""
