"""What an attacker tries, and does not get: one module for each number of the security issue."""
