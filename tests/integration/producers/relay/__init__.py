"""The relay against a real RabbitMQ: batches, refusals, outages."""
