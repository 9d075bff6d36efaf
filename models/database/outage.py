"""Outages: what a transaction raises while Postgres, or a connection of this process to it, is not to be had."""

from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError

# Raised by SQLAlchemy if all connections of the pool stay in use for 30 s; no DBAPIError.
NoFreeConnectionError = exc.TimeoutError
# To be caught by whoever waits and tries again.
OUTAGES = (DBAPIError, NoFreeConnectionError)


def outage_text(error: BaseException) -> str:
    """Return what an outage is about, for logs: Postgres' own words, without SQLAlchemy's statement and link."""
    if isinstance(error, NoFreeConnectionError):
        return "all connections of this process to Postgres are in use"
    return str(error.orig if isinstance(error, DBAPIError) else error).strip()
