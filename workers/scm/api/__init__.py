"""SCM's operations on orders and certificates, pagination, and parsing of responses."""
