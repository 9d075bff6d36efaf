"""What stock Dramatiq does to messages over a real RabbitMQ, and what our broker does instead."""
