"""Tests of traces, whose spans are kept in memory."""
