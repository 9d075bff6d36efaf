"""What certline is made of, and whether a vulnerability of it is known: `make sbom`, `make audit`."""
