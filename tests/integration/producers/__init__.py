"""Integration tests of relay, clock and sweep on a real Postgres and a real RabbitMQ."""
