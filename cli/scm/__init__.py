"""Commands on what SCM has: accounts, catalogue, sync and import."""
