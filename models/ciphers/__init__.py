"""Ciphers: how a secret is encrypted for the place where it is stored, or by another system with a public key."""
