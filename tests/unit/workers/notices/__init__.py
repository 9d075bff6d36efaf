"""Tests of how notices are sent."""
