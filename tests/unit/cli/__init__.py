"""The command line without any server."""
