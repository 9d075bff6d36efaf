"""Webhooks, against receivers that the test makes."""
