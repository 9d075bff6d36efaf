"""How variables of the environment are declared and read."""
