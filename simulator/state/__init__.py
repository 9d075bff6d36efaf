"""State in memory: customers, records, faults, and the CA."""
