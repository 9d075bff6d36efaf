"""Messages that no worker can take."""
