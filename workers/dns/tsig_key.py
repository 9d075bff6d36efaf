"""Keys of TSIG (RFC 8945), in the forms in which name servers' tools write them."""

import base64
import binascii
import re

import dns.name
import dns.tsig

# SHA-1 and MD5 are left out: RFC 8945 advises against them, and every server in use knows SHA-256.
ALGORITHMS = ("hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224")
# As `tsig-keygen` and `keymgr -t` print it, in the configuration of BIND and in that of Knot.
BIND = re.compile(r'key\s+"?(?P<name>[^\s"{]+)"?\s*\{(?P<body>[^}]*)\}', re.IGNORECASE | re.DOTALL)
BIND_FIELD = re.compile(
    r'\b(?P<word>algorithm|secret)\s+"?(?P<value>[^\s";]+)"?\s*;', re.IGNORECASE
)
KNOT_FIELD = re.compile(
    r'^[\s-]*(?P<word>id|algorithm|secret)\s*:\s*"?(?P<value>[^\s"#]+)', re.MULTILINE
)


class BadKeyError(ValueError):
    """A text is no key that can be used; the message says why, and has nothing of the secret."""


def parse_tsig_key(text: str) -> dict[str, str]:
    """Return `name`, `algorithm` and `secret` of a key. Raises BadKeyError.

    Forms: `[ALGORITHM:]NAME:SECRET`, as `dig -y` takes it; `key "NAME" { algorithm …; secret "…"; };` of BIND; the
    `key:` section of Knot.
    """
    fields = _fields(text.strip())
    name, secret = fields.get("name", ""), fields.get("secret", "")
    algorithm = fields.get("algorithm", ALGORITHMS[0]).rstrip(".").lower()
    if not name or not secret:
        raise BadKeyError(
            "it is no TSIG key: give [ALGORITHM:]NAME:SECRET, or the key section of BIND or Knot"
        )
    if algorithm not in ALGORITHMS:
        raise BadKeyError(
            f"its algorithm is {algorithm[:30]!r}; use one of {', '.join(ALGORITHMS)}"
        )
    try:
        dns.name.from_text(name)
    except dns.exception.DNSException:
        raise BadKeyError("the key's name is no name of the DNS") from None
    try:
        if not base64.b64decode(secret, validate=True):
            raise BadKeyError("its secret is empty")
    except binascii.Error:
        raise BadKeyError("its secret is not base64") from None
    return {"name": name, "algorithm": algorithm, "secret": secret}


def tsig_key(fields: dict[str, str]) -> dns.tsig.Key:
    """Return the key for dnspython."""
    return dns.tsig.Key(
        dns.name.from_text(fields["name"]), fields["secret"], fields.get("algorithm", ALGORITHMS[0])
    )


def _fields(text: str) -> dict[str, str]:
    bind = BIND.search(text)
    if bind is not None:
        found = {each["word"].lower(): each["value"] for each in BIND_FIELD.finditer(bind["body"])}
        return {"name": bind["name"], **found}
    if "\n" in text:
        found = {each["word"].lower(): each["value"] for each in KNOT_FIELD.finditer(text)}
        return {"name": found.pop("id", ""), **found}
    parts = text.split(":")
    if len(parts) == 2:
        return {"name": parts[0], "secret": parts[1]}
    if len(parts) == 3:
        return {"algorithm": parts[0], "name": parts[1], "secret": parts[2]}
    return {}
