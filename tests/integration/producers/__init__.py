"""Relay, clock and sweep on a real Postgres and a real RabbitMQ."""
