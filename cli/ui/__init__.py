"""Building blocks of the command line: grammar, lists, details, lookups, output."""
