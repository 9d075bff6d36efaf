"""Commands on orders: create, list, cancel, delete and resolve."""
