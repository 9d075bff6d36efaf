"""Tests of the pages of docs/ that speak of the command line, and of the links between all pages."""
