"""Unit tests of the workers, without any server."""
