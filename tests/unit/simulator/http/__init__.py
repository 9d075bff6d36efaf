"""The simulator's HTTP: logins, faults, and the control API."""
