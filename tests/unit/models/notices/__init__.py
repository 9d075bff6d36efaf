"""Unit tests of the words and the pace of notices."""
