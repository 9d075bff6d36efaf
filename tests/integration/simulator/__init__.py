"""Tests of the simulator's CA, which looks for proofs at real name servers and at a web server."""
