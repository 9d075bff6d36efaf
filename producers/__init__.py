"""What starts work: the relay, the clock, the sweep and the doors for orders."""
