"""Commands for operators: set up, run, check, keys, licence, schedules, audit log."""
