"""Scenario of a fault test: certline's processes, an external client, a subscriber, and SCM."""
