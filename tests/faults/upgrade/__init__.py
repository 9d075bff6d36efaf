"""Tests of an upgrade with nothing stopped: the last release works beside this version."""
