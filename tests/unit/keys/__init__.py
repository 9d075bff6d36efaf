"""Keys, CSRs, chains and keystores; openssl has the last word."""
