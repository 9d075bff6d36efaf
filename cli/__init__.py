"""The command line: commands, tables and exit codes; business rules live in the other packages."""
