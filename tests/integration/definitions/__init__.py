"""deploy/rabbitmq/definitions.json on a RabbitMQ: each part does its work and no more, others neither."""
