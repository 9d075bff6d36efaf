"""Certificate signing requests from outside, read once at the door, and private keys that must not pass it."""
