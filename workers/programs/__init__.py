"""Other programs: how they are run, as whom, and what they cannot read of this process."""
