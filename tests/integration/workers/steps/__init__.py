"""Steps, each with what may happen to its order meanwhile."""
