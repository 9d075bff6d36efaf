"""Events for other systems, and the outbox that they and all wake-ups leave through."""
