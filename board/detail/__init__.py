"""Pages of one thing: their sections, and links to what commands and entries are about."""
