"""Invariants that hold after any fault: in the database, at SCM, at RabbitMQ, and of each order."""
