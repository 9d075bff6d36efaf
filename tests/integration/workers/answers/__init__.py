"""Tests that every command is one row and gets one answer."""
