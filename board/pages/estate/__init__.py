"""Pages of orders and certificates."""
