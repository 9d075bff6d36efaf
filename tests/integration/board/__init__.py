"""Tests of the board over HTTP, against a real Postgres."""
