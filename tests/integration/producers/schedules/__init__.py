"""The clock: schedules that are due, and their changes."""
