"""The client of SCM, against a server that misbehaves on demand."""
