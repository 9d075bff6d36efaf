"""Tests of the metrics of a process."""
