"""Recognises private keys in whatever comes from outside, so that none is stored or passed on."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

REFUSAL = (
    "holds a private key, which must stay where it was made. Nothing of it was stored or passed on, but regard "
    "the key as disclosed and replace it: make a new key, and a new request with it"
)
# Stands for a JSON Web Key with a secret: MARKS finds it.
JWK = '"d":"' + 40 * "x"
# Takes the place of a text that held a private key, in what is kept of a message.
NOTICE = "[certline removed a private key here]"

# Lines of PEM, OpenSSH, SSH2 and PuTTY (in forms of web pages, their blanks are `+`), the head of PEM encrypted
# by OpenSSL, the listings of `openssl rsa -text` and `openssl ec -text`, a JWK, a key of .NET, and the hex of PEM.
# Prose may speak of a private key: a revocation's reason often does. Two dashes only, since `-{2,}` takes
# quadratic time.
MARKS = re.compile(
    rb"--\s?[A-Z0-9 +]{0,60}PRIVATE[\s+]{1,3}KEY"
    rb"|PRIVATE[\s+]{1,3}KEY\s?--"
    rb"|\b(?:BEGIN|END)[\s+](?:[A-Z0-9]{1,20}[\s+]){0,5}PRIVATE[\s+]{1,3}KEY"
    rb"|Proc-Type:\s?4,\s?ENCRYPTED"
    rb"|PuTTY-User-Key-File-|Private-Lines:"
    rb"|Private-Key:\s?\(\d+\sbit|privateExponent:"
    rb"|openssh-key-v1"
    rb'|"d\\?"\s?:\s?\\?"[A-Za-z0-9_-]{40}'
    rb"|<D>\s{0,9}[A-Za-z0-9+/]{40}"
    rb"|50524956415445204[Bb]4559"
)


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Yield the letters that Base64 has for a text inside another one, at each of the three places in a triple."""
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + text)
        # The first and the last letters depend on what is around the text.
        yield letters[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]


# What PEM's line has in Base64 wherever the line is: after a certificate, a byte order mark, in UTF-16.
LINES = re.compile(
    b"|".join(
        re.escape(letters)
        for encoding in ("ascii", "utf-16-le", "utf-16-be")
        for letters in _in_base64("PRIVATE KEY".encode(encoding))
    )
)
# Java's keystores, JKS and JCEKS.
KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
# Base64 of DER's SEQUENCE, of `-----`, of `openssh-key-v1`, and of the keystores above; then of the first three
# once more. The first line of a key has 12 characters or more; otherwise a long text of short words would take
# seconds.
BASE64 = re.compile(
    rb"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]{12})"
    rb"(?:M[A-P]|LS0tLS1C|b3BlbnNzaC1r|/u3\+7|zs7Ozg|TU[EFGHIJKLhlMN]|TFMwdExT|YjNCbGJuTnph)"
)
# The same in hex, as `xxd` and `openssl` print it, with or without a separator.
HEX = re.compile(rb"(?<![0-9A-Fa-f])30(?:[:\s,]{0,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){24,63}")
# A text of JSON that was escaped more than once.
BACKSLASHES = re.compile(rb"\\{2,}")
# A line of a key, without what would tell that it is one.
REST = re.compile(r"[A-Za-z0-9+/]{40}")
# Characters of Base64 that are enough to recognise what begins there.
ENOUGH = 128
# DER of the beginnings of object identifiers: password-based encryption (PKCS#5, PKCS#12), and PKCS#7.
PASSWORD_BASED = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
PKCS7 = bytes.fromhex("2a864886f70d0107")
INTEGER, OCTETS, OBJECT_ID, SEQUENCE = 0x02, 0x04, 0x06, 0x30


def holds_private_key(content: bytes | str) -> bool:
    """Return True for a private key in PEM (UTF-16 too), DER, Base64 or hex, of any kind, or a keystore."""
    if isinstance(content, str):
        # DER in a text, each byte as one character.
        if _is_key(content[:ENOUGH].encode("latin-1", "replace")):
            return True
        raw = content.encode("utf-8", "surrogatepass")
    else:
        raw = content
    if raw.startswith(KEYSTORES) or _is_key(raw[:ENOUGH]):
        return True
    plain = raw.replace(b"\0", b"").replace(
        b"\xc2\xa0", b" "
    )  # UTF-16 of ASCII; blanks of web pages
    if b"%" in plain:
        plain = unquote_to_bytes(plain)
    if MARKS.search(plain):
        return True
    # Escapes of JSON: line ends, and slashes as PHP writes them.
    plain = BACKSLASHES.sub(rb"\\", plain)
    plain = plain.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\\/", b"/")
    if any(_is_key(_from_hex(found[0])) for found in HEX.finditer(plain)):
        return True
    plain = plain.replace(b"-", b"+").replace(b"_", b"/")  # Base64 for URLs
    if LINES.search(b"".join(plain.split())):
        return True
    return any(
        _begins_key(plain[found.start() : found.start() + ENOUGH])
        for found in BASE64.finditer(plain)
    )


def private_key_in(value: object) -> str | None:
    """Return where in a JSON document a private key is, such as `data.csr`, or None if there is none."""
    for place, text in _texts(value):
        if holds_private_key(text):
            return place
    return None


def without_private_keys(body: bytes) -> bytes:
    """Return a message's body with NOTICE in place of each text that holds a private key.

    Texts that may be further lines of that key are replaced, too. If the body can't be taken apart, NOTICE
    replaces all of it.
    """
    try:
        document = json.loads(body)
        cleaned = _cleaned(document) if private_key_in(document) is not None else document
    except (ValueError, RecursionError):
        return NOTICE.encode() if holds_private_key(body) else body
    kept = (
        body
        if cleaned == document
        else json.dumps(cleaned, ensure_ascii=False).encode("utf-8", "replace")
    )
    return NOTICE.encode() if holds_private_key(kept) else kept


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            # A key may be in pieces, one a line; only the first ones tell that it is a key.
            return NOTICE if holds_private_key(value) or REST.search(value) else value
        case dict() if _is_jwk(value):
            return NOTICE
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {_cleaned(name): _cleaned(each) for name, each in value.items()}
        case _:
            return value


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """Yield each text in a JSON document with its place, without recursion: a document may be nested deeply."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        place, value = waiting.pop()
        inner: list[tuple[str, object]] = []
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            if _is_jwk(value):
                yield place, JWK
            for name, each in value.items():
                if isinstance(name, str) and holds_private_key(name):
                    yield f"{place}.(a name)".removeprefix("."), name
                inner.append((f"{place}.{name}".removeprefix("."), each))
        elif isinstance(value, list | tuple):
            inner = [(f"{place}.{number}", each) for number, each in enumerate(value)]
        waiting += reversed(inner)


def _is_jwk(value: dict[Any, Any]) -> bool:
    """Return True for a private key as a JSON Web Key (RFC 7518), whose `d` is the secret."""
    return "kty" in value and isinstance(value.get("d"), str)


def _from_hex(text: bytes) -> bytes:
    digits = re.sub(rb"0x|\\x|[^0-9A-Fa-f]", b"", text)
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _begins_key(text: bytes) -> bool:
    """Return True if this Base64 is the beginning of a private key."""
    letters = re.match(rb"[A-Za-z0-9+/]*", b"".join(text.split()))
    whole = letters[0] if letters else b""
    try:
        begin = base64.b64decode(whole[: len(whole) // 4 * 4], validate=True)
    except binascii.Error:
        return False
    return (
        begin.startswith(KEYSTORES)
        or MARKS.search(begin) is not None
        or _is_key(begin)
        or (BASE64.match(begin) is not None and _begins_key(begin))
    )


def _is_key(der: bytes) -> bool:
    """Return True if these bytes begin a private key or a PKCS#12 keystore in DER; the rest may be missing."""
    outer = _opened(der)
    if outer is None or outer[0] != SEQUENCE:
        return False
    first = _opened(outer[1])
    if first is None:
        return False
    tag, content, rest = first
    second = _opened(rest)
    inner = _opened(content)
    if tag == SEQUENCE:  # EncryptedPrivateKeyInfo (RFC 5958)
        return inner is not None and inner[0] == OBJECT_ID and inner[1].startswith(PASSWORD_BASED)
    if tag != INTEGER or len(content) != 1 or second is None:
        return False
    inner = _opened(second[1])
    match content[0], second[0]:
        case 0 | 1, 0x30:  # PrivateKeyInfo (RFC 5958)
            return inner is not None and inner[0] == OBJECT_ID
        case 0 | 1, 0x02:  # RSAPrivateKey (RFC 8017), DSA
            return len(second[1]) >= 32
        case 1, 0x04:  # ECPrivateKey (RFC 5915)
            return len(second[1]) >= 16
        case 3, 0x30:  # PFX (RFC 7292)
            return inner is not None and inner[0] == OBJECT_ID and inner[1].startswith(PKCS7)
    return False


def _opened(der: bytes) -> tuple[int, bytes, bytes] | None:
    """Return tag, content and what follows of the first value, which may be cut off; None without one."""
    if len(der) < 2:
        return None
    size = der[1] - 0x80 if der[1] > 0x80 else 0
    start = 2 + size
    length = int.from_bytes(der[2:start]) if size else der[1]
    return der[0], der[start : start + length], der[start + length :]
