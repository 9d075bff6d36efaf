"""The server of the database."""
