"""Pages of the calendar, and the calendar to subscribe to."""
