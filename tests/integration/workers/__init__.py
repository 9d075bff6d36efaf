"""Integration tests of the steps, run one by one against real Postgres and the simulator."""
