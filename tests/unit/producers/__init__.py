"""What starts work, without any server."""
