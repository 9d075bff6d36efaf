"""Everything that starts work: relay, periodic producer, sweep, ingress, and the functions behind the CLI."""
