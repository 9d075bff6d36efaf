"""Recognises private keys in whatever comes from outside, so that none is stored or passed on."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator

REFUSAL = (
    "holds a private key, which must stay where it was made. Nothing of it was stored or passed on, but regard "
    "the key as disclosed and replace it: make a new key, and a new request with it"
)
# Takes the place of a text that held a private key, in what is kept of a message.
NOTICE = "[certline removed a private key here]"

# Places in one text or document at which a key may begin and that are looked at. One with more is taken for a
# key: nobody writes such a one, and 20,000 of them would take a second.
MOST_CANDIDATES = 200
# Lines of PEM, OpenSSH and SSH2 (in forms of web pages, their blanks are `+`). Prose may speak of a private key:
# a revocation's reason often does. Two dashes only, since `-{2,}` takes quadratic time.
HEADING = re.compile(
    rb"--\s?[A-Z0-9 +]{0,60}PRIVATE[\s+]{1,3}KEY"
    rb"|PRIVATE[\s+]{1,3}KEY\s?--"
    rb"|\b(?:BEGIN|END)[\s+](?:[A-Z0-9]{1,20}[\s+]){0,5}PRIVATE[\s+]{1,3}KEY"
)
PRIVATE = re.compile(rb"PRIVATE")
# Bytes around the word PRIVATE that a HEADING may have.
BEFORE, AFTER = 140, 20
# PuTTY's lines, the head of PEM encrypted by OpenSSL, the listings of `openssl rsa -text` and `openssl ec -text`,
# a JWK, a key of .NET, and the hex of PEM.
MARKS = re.compile(
    rb"Proc-Type:\s?4,\s?ENCRYPTED"
    rb"|PuTTY-User-Key-File-|Private-Lines:"
    rb"|Private-Key:\s?\(\d{1,6}\sbit|privateExponent:"
    rb"|openssh-key-v1"
    rb'|"d\\?"\s?:\s?\\?"[A-Za-z0-9_-]{40}'
    rb"|<D>\s{0,9}[A-Za-z0-9+/]{40}"
    rb"|50524956415445204[Bb]4559"
)
# What each of MARKS begins with: a text without any of them is not searched for MARKS.
BEGINNINGS = (
    *(b"Proc-Type:", b"PuTTY-User", b"Private-", b"privateExponent:", b"openssh-key-v1"),
    *(b'"d', b"<D>", b"50524956"),
)


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Yield the letters that Base64 has for a text inside another one, at each of the three places in a triple."""
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + text)
        # The first and the last letters depend on what is around the text.
        yield letters[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]


# What PEM's line has in Base64 wherever the line is: after a certificate, a byte order mark, in UTF-16.
LINES = tuple(
    letters
    for encoding in ("ascii", "utf-16-le", "utf-16-be")
    for letters in _in_base64("PRIVATE KEY".encode(encoding))
)
# Java's keystores, JKS and JCEKS.
KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
# The first byte or character of a key in DER, and of those keystores.
FIRST = frozenset(b"0\xfe\xce") | frozenset("0\xfe\xce")
# The first characters that a key in DER has in Base64: a SEQUENCE with a length of 1 to 4 octets, then a small
# INTEGER (the version of a key or keystore), or the SEQUENCE of an object identifier (an encrypted key).
IN_DER = (
    rb"M(?:[A-P][AEIMQUYcgkosw048]CAQ|I[GH].AgE|I[I-L]..[AQgw]IBA|I[M-P].{4}CAQ|I[M-P].{3}[AEIMQUYcgkosw048]CAQ"
    rb"|IACAQ|[A-P][AEIMQUYcgkosw048]w.[AQgw]YJ|I[GH].M[A-P].G|I[I-L]..[DTjz][A-D].Bgk)"
)
# Base64 of DER, of `-----`, of `openssh-key-v1`, and of the keystores above; then of the first three once more.
# The first line of a key has 12 characters or more.
BASE64 = re.compile(
    rb"(?<![A-Za-z0-9+/])(?=[A-Za-z0-9+/]{12})"
    rb"(?:"
    + IN_DER
    + rb"|LS0tLS1C|b3BlbnNzaC1r|/u3\+7|zs7Ozg|TU[EFGHIJKLhlMN]|TFMwdExT|YjNCbGJuTnph)"
)
# The same in hex, as `xxd` and `openssl` print it, with or without a separator: the first three octets.
HEX = re.compile(rb"(?<![0-9A-Fa-f])30(?:[:\s,]{0,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){2}")
HEX_RUN = re.compile(rb"[0-9A-Fa-f]{2}(?:[:\s,]{0,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){0,63}")
# Bytes of a text that have the first 64 octets, whatever separates them.
HEX_ENOUGH = 64 * 6
# Characters of PEM that forms of web pages and careful writers of JSON escape.
ESCAPED = {
    mark: tuple((form % code, bytes([code])) for code in b" +/=-:\r\n" for form in forms)
    for mark, forms in {b"%": (b"%%%02X", b"%%%02x"), b"\\u": (b"\\u%04X", b"\\u%04x")}.items()
}
# A text of JSON that was escaped more than once.
BACKSLASHES = re.compile(rb"\\{2,}")
# What bytes.split() splits at.
BLANKS = b" \t\n\r\x0b\x0c"
# Characters of Base64 that are enough to recognise what begins there.
ENOUGH = 128
# DER of the beginnings of object identifiers: password-based encryption (PKCS#5, PKCS#12), and PKCS#7.
PASSWORD_BASED = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
PKCS7 = bytes.fromhex("2a864886f70d0107")
INTEGER, OCTETS, OBJECT_ID, SEQUENCE = 0x02, 0x04, 0x06, 0x30


class Budget:
    """How many more candidates are looked at."""

    def __init__(self) -> None:
        self.left = MOST_CANDIDATES


def holds_private_key(content: bytes | str) -> bool:
    """Return True for a private key in PEM (UTF-16 too), DER, Base64 or hex, of any kind, or a keystore.

    The time that it takes grows with the length, and not faster.
    """
    return begins_with_key(content) or shows_key(content, Budget())


def begins_with_key(content: bytes | str) -> bool:
    """Return True if the first bytes or characters are those of a key in DER, or of a keystore."""
    if not content or content[0] not in FIRST:
        return False
    if isinstance(content, str):
        # DER in a text, each byte as one character.
        if _is_key(content[:ENOUGH].encode("latin-1", "replace")):
            return True
        raw = content[:ENOUGH].encode("utf-8", "surrogatepass")
    else:
        raw = content[:ENOUGH]
    return raw.startswith(KEYSTORES) or _is_key(raw)


def shows_key(content: bytes | str, budget: Budget) -> bool:
    """Return True if a key in PEM, Base64 or hex is anywhere in a text, or if the budget is used up."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    plain = raw.replace(b"\0", b"").replace(
        b"\xc2\xa0", b" "
    )  # UTF-16 of ASCII; blanks of web pages
    for mark, spellings in ESCAPED.items():
        for spelling, character in spellings if mark in plain else ():
            plain = plain.replace(spelling, character)
    if _has_marks(plain, budget):
        return True
    # Escapes of JSON: line ends, and slashes as PHP writes them.
    plain = BACKSLASHES.sub(rb"\\", plain)
    plain = plain.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\\/", b"/")
    if _any(HEX, plain, HEX_ENOUGH, lambda each: _is_key(_from_hex(each)), budget):
        return True
    plain = plain.replace(b"-", b"+").replace(b"_", b"/")  # Base64 for URLs
    joined = plain.translate(None, BLANKS)
    if any(letters in joined for letters in LINES):
        return True
    return _any(BASE64, plain, ENOUGH, lambda each: _begins_key(each, budget), budget)


def _has_marks(plain: bytes, budget: Budget) -> bool:
    if any(word in plain for word in BEGINNINGS) and MARKS.search(plain):
        return True
    # Around the word only: from every `--` or END of a long text, HEADING would look at 100 characters.
    return _any(PRIVATE, plain, AFTER, _is_heading, budget, before=BEFORE)


def _is_heading(text: bytes) -> bool:
    return HEADING.search(text) is not None


def _any(
    pattern: re.Pattern[bytes],
    text: bytes,
    length: int,
    test: Callable[[bytes], bool],
    budget: Budget,
    *,
    before: int = 0,
) -> bool:
    """Return True if a test holds for a place where the pattern matches, or if the budget is used up.

    The test is given `length` bytes from that place, and up to `before` bytes before it.
    """
    for found in pattern.finditer(text):
        budget.left -= 1
        near = text[max(0, found.start() - before) : found.start() + length]
        if budget.left < 0 or test(near):
            return True
    return False


def _from_hex(text: bytes) -> bytes:
    run = HEX_RUN.match(text)
    digits = re.sub(rb"0x|\\x|[^0-9A-Fa-f]", b"", run[0] if run else b"")
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _begins_key(text: bytes, budget: Budget) -> bool:
    """Return True if this Base64 is the beginning of a private key."""
    letters = re.match(rb"[A-Za-z0-9+/]*", b"".join(text.split()))
    whole = letters[0] if letters else b""
    try:
        begin = base64.b64decode(whole[: len(whole) // 4 * 4], validate=True)
    except binascii.Error:
        return False
    return (
        begin.startswith(KEYSTORES)
        or _has_marks(begin, budget)
        or _is_key(begin)
        or (BASE64.match(begin) is not None and _begins_key(begin, budget))
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
