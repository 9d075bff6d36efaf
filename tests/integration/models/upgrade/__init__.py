"""Tests of migrations beside the last release: what they take away or forbid is declared."""
