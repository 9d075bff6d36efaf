"""What a person types: commands, tables and exit codes; no logic."""
