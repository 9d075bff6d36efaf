"""Pages of what is at SCM: organisations, domains, profiles and accounts."""
