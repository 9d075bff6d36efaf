"""Tests of the room of models with the same name, against Postgres."""
