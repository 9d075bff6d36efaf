"""The simulated API, one module for each of its subjects."""
