"""Events: CloudEvents and the outbox."""
