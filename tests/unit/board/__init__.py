"""Unit tests of the board: who may look, filters of the address, commands to copy."""
