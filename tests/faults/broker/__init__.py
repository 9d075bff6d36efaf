"""Fault tests of the broker over a real RabbitMQ: stock Dramatiq compared with ours."""
