"""Tests of the room `tracing`."""
