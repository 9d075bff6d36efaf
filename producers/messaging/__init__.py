"""AMQP: publishing with confirms, consuming, and dead work messages."""
