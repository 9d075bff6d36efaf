"""Commands for other systems: commands, dead letters, deploy hooks and webhooks."""
