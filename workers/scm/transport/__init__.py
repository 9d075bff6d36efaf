"""HTTP to SCM: connections, credentials, and what each response means."""
