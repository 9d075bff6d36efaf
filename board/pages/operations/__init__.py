"""Pages of the operation: commands, dead letters, hooks, webhooks, schedules and the audit log."""
