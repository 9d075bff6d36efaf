"""The simulated customer's fleet."""
