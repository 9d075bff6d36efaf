"""Proofs: the record, or the file, by which the CA sees that a domain is ours."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class Method(StrEnum):
    """How a domain is proved, as far as something has to be put in place for it."""

    CNAME = "cname"
    TXT = "txt"
    HTTP = "http"
    HTTPS = "https"

    @property
    def is_record(self) -> bool:
        """True for a record of the DNS, False for a file on a web server."""
        return self in (Method.CNAME, Method.TXT)


@dataclass(frozen=True)
class Proof:
    """A proof. None of it is secret: anybody may look it up.

    `name`: the host without a trailing dot, or the URL. `value`: the target without a trailing dot, the text of
    the TXT record, or the lines of the file joined by a line feed.
    """

    method: Method
    name: str
    value: str

    @property
    def host(self) -> str:
        """The host that the record is of, or that serves the file."""
        return self.name if self.method.is_record else urlsplit(self.name).hostname or ""

    def __str__(self) -> str:
        if self.method.is_record:
            return f"{self.name} {self.method.upper()} {self.value!r}"
        return f"{self.name} with {self.value!r}"
