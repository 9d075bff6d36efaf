"""What an attacker tries, and does not get: each number of docs/security.md has its modules."""
