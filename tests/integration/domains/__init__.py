"""Tests of domains: the providers that their proofs go to, from the command line to the name server."""
