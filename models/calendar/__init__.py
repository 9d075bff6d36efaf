"""The calendar of the coming year: what ends on which day, what is renewed then, and what it might be."""
