"""Tests of Postgres with a standby, and behind PgBouncer."""
