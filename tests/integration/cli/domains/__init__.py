"""Commands about domains."""
