"""Tests of where the proof goes: real name servers, a web server's folder, programs."""
