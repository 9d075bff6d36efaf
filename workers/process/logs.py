"""Logging of the long-running processes to stderr: readable text on a terminal, otherwise JSON lines."""

import json
import logging
import os
import socket
import sys
import threading
from typing import Any

import dramatiq
import structlog
from dramatiq.broker import MessageProxy

from certline.models.settings import Settings
from certline.models.settings import settings as from_environment
from certline.workers.process.visible import visible_entry, visible_json, visible_traceback
from certline.workers.tracing.discreet import DiscreetTraces

# Libraries whose routine log entries repeat what our own events report.
QUIET = {
    "pika": logging.ERROR,
    "dramatiq": logging.WARNING,
    "urllib3": logging.WARNING,
    "opentelemetry": logging.ERROR,  # a collector that is away, once for each batch that is lost
}


LIBRARIES = ("pika", "dramatiq")
MESSAGES = (dramatiq.Message, MessageProxy)
UUID_LENGTH = 36
# What entries of the standard library's loggers, ours among them, may have besides their text.
FURTHER = ("command", "order", "queue", "delivery", "why")

# How pika words the loss of a connection that RabbitMQ has closed.
LOST = ("_produce() failed, aborting", "connection_lost: ", "Unexpected connection close detected")


class RoutineClose(logging.Filter):
    """Filter for errors that pika logs at a normal stop: Dramatiq closes connections that are closed, or lost."""

    # Set once this process begins to stop: before that, a lost connection is worth an entry.
    stopping = threading.Event()

    def filter(self, entry: logging.LogRecord) -> bool:
        """Return False for such an error."""
        text = entry.getMessage()
        if "called on closed connection" in text:
            return False
        lost = entry.name.startswith("pika") and any(words in text for words in LOST)
        return not (lost and self.stopping.is_set())


class DiscreetMessages(logging.Filter):
    """Replaces Dramatiq's messages in log entries by actor and id: they may carry a whole command."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the entry's arguments, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(_discreet(each) for each in record.args)
        return True


class OursToSay(logging.Filter):
    """Changes entries of libraries to what they mean here: what is retried is a warning, with its command's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the entry, and let it pass."""
        if record.name.startswith(LIBRARIES) and record.levelno > logging.WARNING:
            # Dramatiq retries its message, or connects again; pika is connected again. If a person has to act,
            # an entry of ours says so.
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        messages = [each for each in record.args or () if isinstance(each, MESSAGES)]
        for message in messages:
            command = message.kwargs.get("command_id")
            if isinstance(command, str) and len(command) == UUID_LENGTH:
                record.command = command
        return True


def _discreet(value: object) -> object:
    if isinstance(value, MESSAGES):
        return f"{value.actor_name} {value.message_id}"
    return value


def _json(entry: object, **options: Any) -> str:
    return visible_json(json.dumps(entry, **options))


def choose_format(settings: Settings) -> None:
    """Settle the format for the child processes of this one, whose stderr is a pipe to it and no terminal."""
    if settings.log is None:
        os.environ["CERTLINE_LOG"] = "console" if sys.stderr.isatty() else "json"
        from_environment.cache_clear()


def configure(settings: Settings, part: str) -> None:
    """Send the logs of structlog and of the libraries to stderr, in the format that `CERTLINE_LOG` selects.

    `part`: the name of this part of certline, such as `worker`; JSON also has host and process id.
    """
    as_json = settings.log == "json" or (settings.log is None and not sys.stderr.isatty())
    origin: dict[str, object] = {"part": part}
    if as_json:
        origin |= {"host": socket.gethostname(), "pid": os.getpid()}

    def add_origin(
        _logger: object, _method: str, entry: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        entry.update(origin)
        return entry

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_origin,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:  # ConsoleRenderer formats tracebacks itself
        shared.append(structlog.processors.format_exc_info)
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Structlog's default prints each frame's local variables, which may hold secrets.
            exception_formatter=visible_traceback(structlog.dev.plain_traceback),
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RoutineClose())
    handler.addFilter(OursToSay())  # before the arguments are replaced
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=FURTHER), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if as_json else [visible_entry]),  # JSON has escapes
                last,
            ],
        )
    )
    handler.addFilter(DiscreetMessages())
    handler.addFilter(DiscreetTraces())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
