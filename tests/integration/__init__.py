"""Integration tests: real Postgres, RabbitMQ and simulator."""
