"""Commands: their rows, payloads and envelopes, and the messages that were refused."""
