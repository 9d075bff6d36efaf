"""Tests of what is shown and asked on a screen: layout, confirmations, file names, programs to type."""
