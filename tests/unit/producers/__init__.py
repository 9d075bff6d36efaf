"""Unit tests of the producers, without any server."""
