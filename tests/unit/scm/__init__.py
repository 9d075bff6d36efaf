"""Unit tests of SCM's client, against a server that misbehaves on demand."""
