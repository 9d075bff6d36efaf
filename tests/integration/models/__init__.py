"""Integration tests of tables, commands and the licence gate on a real Postgres."""
