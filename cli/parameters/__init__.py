"""Parameters of commands: files, numbers and other values that users type."""
