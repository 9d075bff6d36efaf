"""The checks of `certline doctor`: one module for each subject."""
