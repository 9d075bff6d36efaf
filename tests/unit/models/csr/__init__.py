"""Tests of signing requests from outside, and of private keys that must not pass."""
