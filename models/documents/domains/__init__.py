"""JSON documents of domains: what a domain needs and what is being done about it, and the forecast of all."""
