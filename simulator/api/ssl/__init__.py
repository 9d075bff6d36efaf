"""SSL certificates: enrol, collect, renew, replace, revoke, list."""
