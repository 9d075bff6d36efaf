"""Field types of the commands, with their validation and JSON schema.

Every text, list and table has a greatest length, which is checked before any pattern is applied: the ingress
validates messages in the thread that also answers RabbitMQ's heartbeats, and a slow field would stop it.
"""

import re
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic import StringConstraints as Text

from certline.models.csr.request import LONGEST, read_request
from certline.models.host_names import ascii_form
from certline.models.states import SCM_WORDS
from certline.models.validation import MOST_INTEGER, column_integer

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# No two parts that follow one another have a character in common: otherwise the time would grow with the square
# of the length.
ADDRESS = re.compile(r"[^@\s,]+@[^@\s,.]+(?:\.[^@\s,.]+)+")
# A ULID, or an sslId of at most nine digits, which fits the database's integer column.
ORDER_NAME = re.compile(r"[0-9A-Za-z]{26}|scm:[0-9]{1,9}")
DURATION = re.compile(r"([0-9]{1,9})([smhdw]?)")
SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
# Characters: of a host name with its dot at the end and blanks around it (RFC 1035: 253), of an address (RFC 5321,
# erratum 1690), of an id or name, of any id, number or word, and of a sealed text.
LONGEST_NAME, LONGEST_ADDRESS, LONGEST_CALLED, LONGEST_WORD, LONGEST_SEALED = (
    255,
    254,
    255,
    64,
    4096,
)
# Entries of a list of names, of addresses (SCM document: 512 characters in all), and of a table of custom fields.
MOST_NAMES, MOST_ADDRESSES, MOST_CUSTOM_FIELDS = 1000, 100, 100
# Characters of all names in other alphabets, together; converting them is slow. 250 names of 20 characters.
MOST_OTHER_ALPHABETS = 5000
# Seconds.
LONGEST_DURATION = 398 * 86_400


def dns_name(name: str) -> str:
    """Return a host name or `*.` wildcard in lower case and ASCII (RFC 1035, RFC 6125, IDNA 2008).

    Raises ValueError otherwise.
    """
    if _is_address(name):
        raise ValueError(
            f"{name!r} is not a host name but an IP address; SCM's API documents host names only, and no profile "
            "says whether it allows addresses, so certline can't order it: order it in SCM's portal, and run "
            "`certline import`"
        )
    try:
        plain = ascii_form(name.strip().rstrip("."))
    except ValueError:  # an alphabet without an xn-- form, or letters that only look like ASCII
        plain = ""
    labels = plain.removeprefix("*.").split(".")
    # A last label of digits is part of an IP address.
    sound = len(plain) <= 253 and len(labels) > 1 and not labels[-1].isdecimal()
    if not (sound and all(map(LABEL.fullmatch, labels))):
        raise ValueError(
            f"{name!r} is not a host name (letters, digits, dots and hyphens; "
            "a wildcard starts with '*.'; other alphabets as IDNA 2008 allows them)"
        )
    return plain


def within_limits(names: object) -> object:
    """Return a list of host names unchanged. Raises ValueError if they are too many, or too much to convert."""
    if not isinstance(names, list):
        return names
    if len(names) > MOST_NAMES:
        raise ValueError(f"has {len(names)} names, at most {MOST_NAMES} are allowed")
    others = sum(len(name) for name in names if isinstance(name, str) and not name.isascii())
    if others > MOST_OTHER_ALPHABETS:
        raise ValueError(
            f"has {others} characters in names of other alphabets, at most {MOST_OTHER_ALPHABETS} are converted; "
            "give the names in their xn-- form"
        )
    return names


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip().strip("[]"))
    except ValueError:
        return False
    return True


def mail_address(text: str) -> str:
    """Return an address of the form a@b.c without surrounding spaces. Raises ValueError for anything else."""
    if not ADDRESS.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a mail address")
    return text.strip()


def id_or_name(value: object) -> str:
    """Return SCM's id or the name of an object, as text. Raises ValueError if it is empty, too long or neither."""
    _require_length(value, LONGEST_CALLED)
    if isinstance(value, bool) or not isinstance(value, int | str) or not _digits(value).strip():
        raise ValueError("should be a name or an id")
    return _digits(value).strip()


def order_name(text: str) -> str:
    """Return an order's id (ours, or SCM's after `scm:`) unchanged. Raises ValueError for anything else."""
    if not ORDER_NAME.fullmatch(text):
        raise ValueError("should be an order's id, or scm:SSLID")
    return text


def certificate_name(text: str) -> str:
    """Return a certificate's id, serial number or common name without surrounding spaces.

    Raises ValueError if it is empty.
    """
    if not text.strip():
        raise ValueError("should be a certificate's id, serial number or common name")
    return text.strip()


def ssl_id(value: object) -> int:
    """Return SCM's id of an order, given as a number or as digits, with or without `scm:`.

    Raises ValueError for anything else, or if the id exceeds the database's integer column.
    """
    _require_length(value, LONGEST_WORD)
    known = isinstance(value, int | str) and not isinstance(value, bool)  # bool is a kind of int
    number = column_integer(_digits(value).removeprefix("scm:")) if known else None
    if not number:
        raise ValueError("should be an sslId")
    return number


def _require_length(value: object, longest: int) -> None:
    if isinstance(value, str) and len(value) > longest:
        raise ValueError(f"has {len(value)} characters, at most {longest} are allowed")


def _digits(value: object) -> str:
    """Return a number or a text as text; empty for a number of more digits than Python writes."""
    try:
        return str(value)
    except ValueError:
        return ""


def scm_word(text: str) -> str:
    """Return one of SCM's status words in SCM's spelling; case, spaces and underscores don't matter.

    Raises ValueError for any other word.
    """
    bare = "".join(text.split()).replace("_", "").lower()
    found = [word for word in SCM_WORDS if word.lower() == bare]
    if not found:
        raise ValueError(f"{text!r} is not a status of SCM; use one of: {', '.join(SCM_WORDS)}")
    return found[0]


def duration(value: object) -> int:
    """Return a duration in seconds, given as seconds or with a unit, such as `90m`, `12h` or `7d`.

    Raises ValueError for anything else, and if it exceeds LONGEST_DURATION.
    """
    _require_length(value, LONGEST_WORD)
    found = DURATION.fullmatch(_digits(value).strip().lower())
    if isinstance(value, bool) or not isinstance(value, int | str) or found is None:
        raise ValueError("should be a number with a unit: s, m, h, d or w, such as 7d")
    seconds = int(found[1]) * SECONDS_IN[found[2]]
    if seconds > LONGEST_DURATION:
        raise ValueError("is longer than any certificate is valid (398 days)")
    return seconds


def signing_request(text: str) -> str:
    """Return the one certificate signing request in a text, as PEM written by us. Raises ValueError."""
    return read_request(text).pem


DnsName = Annotated[
    str,
    Text(max_length=LONGEST_NAME),
    AfterValidator(dns_name),
    Field(
        description=(
            "a host name; a wildcard starts with `*.`; other alphabets are converted to the xn-- form"
        )
    ),
]
DnsNames = Annotated[list[DnsName], Field(max_length=MOST_NAMES), BeforeValidator(within_limits)]
Address = Annotated[
    str,
    Text(max_length=LONGEST_ADDRESS),
    AfterValidator(mail_address),
    Field(description="a mail address"),
]
IdOrName = Annotated[
    str,
    BeforeValidator(id_or_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": LONGEST_CALLED},
                {"type": "integer"},
            ],
            "description": "SCM's id or name",
        }
    ),
]
OrderName = Annotated[
    str,
    Text(max_length=LONGEST_WORD),
    AfterValidator(order_name),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^({ORDER_NAME.pattern})$",
            "description": "certline's id of an order, or `scm:` followed by SCM's id",
        }
    ),
]
# The longest of the three is a common name; a serial number with colons has up to 128 characters.
CertificateName = Annotated[
    str,
    Text(max_length=253),
    AfterValidator(certificate_name),
    Field(
        description="certline's id of a certificate, its serial number, or its common name if unique"
    ),
]
SslId = Annotated[
    int,
    BeforeValidator(ssl_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_INTEGER},
                {"type": "string", "pattern": "^(scm:)?[0-9]{1,10}$"},
            ],
            "description": "SCM's id of an order",
        }
    ),
]
ScmWord = Annotated[
    str,
    Text(max_length=LONGEST_WORD),
    AfterValidator(scm_word),
    Field(description=f"one of SCM's status words: {', '.join(SCM_WORDS)}"),
]
Duration = Annotated[
    int,
    BeforeValidator(duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer"},
                {"type": "string", "minLength": 1, "maxLength": LONGEST_WORD},
            ],
            "description": "seconds, or a duration such as 24h",
        }
    ),
]
SigningRequestText = Annotated[
    str,
    Text(max_length=LONGEST),
    AfterValidator(signing_request),
    Field(description="one certificate signing request (PKCS#10) in PEM, without its private key"),
]
SealedText = Annotated[str, Text(max_length=LONGEST_SEALED)]
KeyAlgorithm = Literal["RSA", "EC"]
KeySize = Literal["2048", "3072", "4096", "P-256", "P-384"]
KeystoreType = Literal["PKCS12", "JKS", "PEM"]
# SCM document: limits. A reason has 1 to 512 characters.
Reason = Annotated[str, Text(strip_whitespace=True, min_length=1, max_length=512)]
# Words for those revocation reasons of RFC 5280 that SCM accepts.
ReasonCode = Literal[
    "unspecified",
    "key-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
]
