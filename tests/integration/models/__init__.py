"""Tables, commands and the licence gate on a real Postgres."""
