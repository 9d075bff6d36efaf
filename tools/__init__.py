"""Programs for the development of certline; none of them is installed with it."""
