"""Tests of automatic validation."""
