"""The functions through which users and other systems request work."""
