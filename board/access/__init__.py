"""Who may look at the board: users, sessions, trusted proxies, and the headers of each response."""
