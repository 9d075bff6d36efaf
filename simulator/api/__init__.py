"""SCM's operations, as the simulator serves them."""
