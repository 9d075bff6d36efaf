"""Unit tests of keys, CSRs, chains and keystores; openssl decides whether they are right."""
