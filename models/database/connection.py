"""How a pool connects to Postgres: one or several hosts, servers that died or were demoted, PgBouncer."""

import re
import select as sockets
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

# A dead client must not keep its locks: the server notices a lost connection within 25 s, and ends a
# transaction that is idle for a minute. The time-outs are in milliseconds, the keepalives in seconds.
# `tcp_user_timeout` because there are no keepalives while an answer to the client is not acknowledged.
SERVER_OPTIONS = (
    "-c statement_timeout=60000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=60000 "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=25000 -c timezone=UTC"
)
# An option of ours that only tells whether the options arrived.
MARK = "certline.options"
OPTION = re.compile(r"-c\s*(\w+)=(\S+)")
# And a dead server must not keep its clients: they notice it within 25 s, too, and go to the next host of the URL.
# Seconds, but `tcp_user_timeout`, which is in milliseconds. A URL's own parameters count more.
CLIENT_PARAMETERS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    # With a database in SQL_ASCII, psycopg would return bytes instead of text.
    "client_encoding": "utf8",
}
# `info` of a pooled connection through PgBouncer: when the server that it led to first was started.
STARTED = "started"
# SQLSTATE read_only_sql_transaction: this server is a standby, or was demoted.
READ_ONLY = "25006"
# A promoted standby was started at another time than the former primary, and a restored server, too.
SERVER_START = "SELECT pg_postmaster_start_time()"


def parameters_of(url: str) -> dict[str, Any]:
    """Return libpq's parameters for a URL of one or several hosts. Raises ArgumentError without its text."""
    scheme, _, rest = url.partition("://")
    try:
        given = conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")
    except psycopg.ProgrammingError:
        raise ArgumentError("the URL of Postgres cannot be read") from None
    return CLIENT_PARAMETERS | given


def connection_string(url: str) -> str:
    """Return libpq's text for a connection outside a pool, past PgBouncer, with SERVER_OPTIONS.

    Raises ArgumentError without the URL's text.
    """
    parameters = parameters_of(url)
    parameters["options"] = f"{SERVER_OPTIONS} {parameters.get('options', '')}".strip()
    return make_conninfo("", **parameters)


class PostgresPool:
    """A pool of connections: its `engine`, and whether PgBouncer stands between it and Postgres."""

    def __init__(
        self, url: str, *, options: str = "", connect_seconds: int | None = None, **sizes: Any
    ) -> None:
        """Create the pool; no connection is opened yet.

        `options`: of Postgres' server, after SERVER_OPTIONS, of which the last one counts. `connect_seconds`: how
        long a host may take, instead of the URL's. `sizes`: of the pool, for SQLAlchemy. Raises ArgumentError.
        """
        parameters = parameters_of(url)
        if connect_seconds is not None:
            parameters["connect_timeout"] = connect_seconds
        self._options = f"{SERVER_OPTIONS} {parameters.pop('options', '')} {options}".strip()
        # None until the first connection.
        self._through_bouncer: bool | None = None
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            hide_parameters=True,  # an error's text must not contain a statement's parameters
            connect_args=parameters,
            **sizes,
        )
        event.listen(self.engine, "do_connect", self._connect)
        event.listen(self.engine, "connect", self._remember_server)
        event.listen(self.engine, "begin", self._set_options)
        event.listen(self.engine, "checkout", _require_alive)
        event.listen(self.engine, "handle_error", _leave_read_only)

    def goes_through_bouncer(self) -> bool:
        """Return True if startup options do not reach Postgres. Connects if no connection was opened before."""
        if self._through_bouncer is None:
            self.engine.connect().close()
        return bool(self._through_bouncer)

    def _connect(
        self, _dialect: object, _record: object, _args: object, parameters: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        """Open a connection. The first one finds out whether PgBouncer is in between.

        PgBouncer either refuses options at startup, or (`ignore_startup_parameters = options`) drops them.
        """
        if self._through_bouncer is None:
            try:
                first = psycopg.connect(
                    **parameters, options=f"{self._options} -c {MARK}=on", autocommit=True
                )
            except psycopg.OperationalError as error:
                if "unsupported startup parameter" not in str(error):
                    raise
                self._through_bouncer = True
            else:
                mark = first.execute("SELECT current_setting(%s, true)", [MARK]).fetchone()
                self._through_bouncer = mark != ("on",)
                if not self._through_bouncer:
                    first.autocommit = False
                    return first
                first.close()
        if self._through_bouncer:
            # Each transaction may be in another session of Postgres, which does not know statements that were
            # prepared in an earlier one.
            return psycopg.connect(**parameters, prepare_threshold=None)
        return psycopg.connect(**parameters, options=self._options)

    def _remember_server(
        self, connection: psycopg.Connection[Any], record: ConnectionPoolEntry
    ) -> None:
        """Note which server PgBouncer leads to, before the pool's owner asks anything of it."""
        if self._through_bouncer:
            row = connection.execute(SERVER_START).fetchone()
            connection.rollback()
            record.info[STARTED] = row and row[0]

    def _set_options(self, connection: Connection) -> None:
        """Set the options for this transaction, if they could not be given with the connection.

        Raises OperationalError, after which SQLAlchemy connects anew, if PgBouncer leads to another server by now:
        a failover behind it does not close this connection, and only who opens one looks at what server it is.
        """
        if self._through_bouncer:
            wanted = dict(OPTION.findall(self._options))
            settings = [
                f"SET LOCAL {name} = '{value}'"
                for name, value in wanted.items()
                # Those of the socket are PgBouncer's own affair.
                if not name.startswith("tcp_")
            ]
            # One round trip for both.
            found = connection.exec_driver_sql("; ".join([SERVER_START, *settings])).scalar()
            if found != connection.connection.info.get(STARTED):
                other = psycopg.OperationalError("PgBouncer leads to another server than before")
                connection.invalidate(other)
                raise OperationalError(None, None, other, connection_invalidated=True)


def _require_alive(connection: psycopg.Connection[Any], *_: object) -> None:
    """Raise InvalidatePoolError, after which SQLAlchemy connects anew, if the server has closed this connection.

    Only looks at what has arrived: a ping would be a round trip, and a commit, for each transaction. To a client
    that asks nothing a server says little but its goodbye.
    """
    arrived = sockets.poll()
    arrived.register(connection.fileno(), sockets.POLLIN)
    try:
        if arrived.poll(0):
            # Twice: first its last words are read, and then the end.
            connection.pgconn.consume_input()
            connection.pgconn.consume_input()
    except psycopg.Error as error:
        raise InvalidatePoolError(str(error)) from error


def _leave_read_only(context: ExceptionContext) -> None:
    """Have the pool drop all its connections if the server no longer takes changes: another one does by now."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True
