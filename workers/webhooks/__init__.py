"""Deliveries to webhooks: address policy, signature, and the one POST."""
