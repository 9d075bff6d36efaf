"""Log entries of OpenTelemetry, without the secrets of its variables: a collector's login, token and headers."""

import logging
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

LOGGER = "opentelemetry"
# Shorter ones are no secret, and would be found in any text.
SHORTEST = 4


class DiscreetTraces(logging.Filter):
    """Replaces what the variables hold in OpenTelemetry's entries, and leaves out tracebacks, which quote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the entry, and let it pass."""
        if record.name.startswith(LOGGER):
            text = record.getMessage()
            for secret in sorted(set(_secrets()), key=len, reverse=True):
                text = text.replace(secret, "***")
            record.msg, record.args = text, ()
            record.exc_info = record.exc_text = None
        return True


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if not name.startswith("OTEL_EXPORTER_"):
            continue
        found: list[str] = []
        if name.endswith("_HEADERS"):
            found = [value, *re.split(r"[,=\s]+", value), *re.split(r"[,=\s]+", unquote(value))]
        elif name.endswith("_ENDPOINT"):
            rest = value.partition("://")[2] or value
            login, at, _ = rest.partition("/")[0].rpartition("@")
            query = value.partition("?")[2]
            found = [login if at else "", login.partition(":")[2] if at else "", query]
        yield from (each for each in found if len(each) >= SHORTEST)
