"""What is done: one step, one file, one actor."""
