"""A faithful stand-in for SCM, for the demo, the tests and staging. It knows nothing of the line."""
