"""A worker process: broker, middleware, health, logs."""
