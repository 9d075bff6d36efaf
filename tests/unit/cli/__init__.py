"""Unit tests of the command line, without any server."""
