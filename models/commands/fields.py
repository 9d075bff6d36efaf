"""The fields of commands: how each is written, and what is refused."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic import StringConstraints as Text

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
ADDRESS = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+")
# A ULID, or a number that fits where sslIds are stored.
ORDER_NAME = re.compile(r"[0-9A-Za-z]{26}|scm:[0-9]{1,9}")
DURATION = re.compile(r"([0-9]{1,9})([smhdw]?)")
SECONDS_IN = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LONGEST_DURATION = 398 * 86_400
# SCM's words for a status that its list can be asked for (scm-api, 3.1).
SCM_WORDS = (
    *("Init", "Requested", "Approved", "SAApproved", "Applied", "Issued"),
    *("Replaced", "Revoked", "Expired", "Declined", "Rejected", "Invalid"),
)


def dns_name(name: str) -> str:
    """A host name or `*.` wildcard in lower case (RFC 1035, RFC 6125). Raises ValueError."""
    plain = name.strip().rstrip(".").lower()
    labels = plain.removeprefix("*.").split(".")
    # `K` (the Kelvin sign) becomes an ASCII k in lower case; a last label of digits is an address.
    sound = name.isascii() and not labels[-1].isdecimal()
    if not (sound and len(plain) <= 253 and len(labels) > 1 and all(map(LABEL.fullmatch, labels))):
        raise ValueError(
            f"{name!r} is not a host name (letters, digits, dots and hyphens; "
            "a wildcard starts with '*.'; write other alphabets in their xn-- form)"
        )
    return plain


def mail_address(text: str) -> str:
    """An address of the form a@b.c. Raises ValueError."""
    if not ADDRESS.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a mail address")
    return text.strip()


def id_or_name(value: object) -> str:
    """SCM's number of a thing, or its name. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise ValueError("should be a name or an id")
    return str(value).strip()


def order_name(text: str) -> str:
    """Our id of an order, or `scm:` with SCM's. Raises ValueError."""
    if not ORDER_NAME.fullmatch(text):
        raise ValueError("should be an order's id, or scm:SSLID")
    return text


def certificate_name(text: str) -> str:
    """Our id of a certificate, its serial number, or its common name. Raises ValueError."""
    if not text.strip():
        raise ValueError("should be a certificate's id, serial number or common name")
    return text.strip()


def ssl_id(value: object) -> int:
    """SCM's id of an order: a number, or its digits with `scm:` before them. Raises ValueError."""
    digits = str(value).removeprefix("scm:")
    known = isinstance(value, int | str) and not isinstance(value, bool)
    if not (known and digits.isascii() and digits.isdecimal() and 0 < int(digits) < 2**31):
        raise ValueError("should be an sslId")
    return int(digits)


def scm_word(text: str) -> str:
    """One of SCM's words for a status, as SCM spells it. Raises ValueError."""
    bare = "".join(text.split()).replace("_", "").lower()
    found = [word for word in SCM_WORDS if word.lower() == bare]
    if not found:
        raise ValueError(f"{text!r} is no status of SCM's; there are: {', '.join(SCM_WORDS)}")
    return found[0]


def duration(value: object) -> int:
    """Seconds: a whole number of them, or one with its unit, such as `90m`, `12h`, `7d`. ValueError."""
    found = DURATION.fullmatch(str(value).strip().lower())
    if isinstance(value, bool) or not isinstance(value, int | str) or found is None:
        raise ValueError("should be a number with a unit: s, m, h, d or w, such as 7d")
    seconds = int(found[1]) * SECONDS_IN[found[2]]
    if seconds > LONGEST_DURATION:
        raise ValueError("is longer than any certificate lives (398 days)")
    return seconds


DnsName = Annotated[
    str, AfterValidator(dns_name), Field(description="a host name; a wildcard starts with `*.`")
]
Address = Annotated[str, AfterValidator(mail_address), Field(description="a mail address")]
IdOrName = Annotated[
    str,
    BeforeValidator(id_or_name),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}],
            "description": "SCM's id, or the name",
        }
    ),
]
OrderName = Annotated[
    str,
    AfterValidator(order_name),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^({ORDER_NAME.pattern})$",
            "description": "our id of an order, or `scm:` with SCM's",
        }
    ),
]
# A serial number with colons has up to 128 characters, a name 253.
CertificateName = Annotated[
    str,
    Text(max_length=253),
    AfterValidator(certificate_name),
    Field(
        description="our id of a certificate, its serial number, or a common name that only one has"
    ),
]
SslId = Annotated[
    int,
    BeforeValidator(ssl_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
                {"type": "string", "pattern": "^(scm:)?[0-9]{1,10}$"},
            ],
            "description": "SCM's id of an order",
        }
    ),
]
ScmWord = Annotated[
    str,
    AfterValidator(scm_word),
    Field(description=f"one of SCM's words: {', '.join(SCM_WORDS)}"),
]
Duration = Annotated[
    int,
    BeforeValidator(duration),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}],
            "description": "seconds, or a time such as 24h",
        }
    ),
]
KeyAlgorithm = Literal["RSA", "EC"]
KeySize = Literal["2048", "3072", "4096", "P-256", "P-384"]
KeystoreType = Literal["PKCS12", "JKS", "PEM"]
# scm-api, section 5: a reason has 1 to 512 characters.
Reason = Annotated[str, Text(strip_whitespace=True, min_length=1, max_length=512)]
# The words for the reasons of RFC 5280 that SCM takes.
ReasonCode = Literal[
    "unspecified",
    "key-compromise",
    "affiliation-changed",
    "superseded",
    "cessation-of-operation",
]
