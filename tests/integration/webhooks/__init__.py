"""Integration tests of webhooks, against receivers that the test creates."""
