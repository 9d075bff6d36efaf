"""Host names in other alphabets, and the labels that no CA may put into a certificate."""

import unicodedata
from collections.abc import Iterator

# What begins the label of a name in another alphabet (RFC 5890).
PREFIX = "xn--"
# Characters of a label (RFC 1035), and of one whose umlauts are several characters each.
LONGEST_LABEL, LONGEST_DECOMPOSED = 63, 4 * 63


def ascii_form(name: str) -> str:
    """Return a host name with each label of another alphabet in its xn-- form (IDNA 2008, RFC 5891).

    `münchen.example` becomes `xn--mnchen-3ya.example`. Labels in ASCII are only put in lower case. Raises
    ValueError for a label that has no such form.
    """
    return ".".join(map(_ascii_label, name.split(".")))


def same_host(name: str) -> str:
    """Return the form in which host names are compared: `ascii_form`, or just lower case if there is none."""
    plain = name.strip().rstrip(".")
    try:
        return plain.lower() if plain.isascii() else ascii_form(plain)
    except ValueError:
        return plain.lower()


def at_and_above(name: str) -> Iterator[str]:
    """Yield a host name and the names above it, the closest first."""
    while name:
        yield name
        _, _, name = name.partition(".")


def label_problem(name: str) -> str | None:
    """Return why no CA may issue a certificate for a host name in ASCII, or None.

    CA/Browser Forum Baseline Requirements 7.1.4.2: each label is a P-label, whose rest after xn-- is valid
    Punycode, or a non-reserved LDH label (RFC 5890, 2.3.1).
    """
    for label in name.removeprefix("*.").split("."):
        if label.startswith(PREFIX):
            if not _is_punycode(label.removeprefix(PREFIX)):
                return f"{label!r} is not the xn-- form of any text"
        elif label[2:4] == "--":
            return (
                f"{label!r} has hyphens as its third and fourth character, which is reserved: "
                "no CA may issue a certificate for it (RFC 5890)"
            )
    return None


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label.lower()
    # Before any work: putting marks in order, and Punycode, take quadratic time.
    if len(label) > LONGEST_DECOMPOSED:
        raise ValueError(f"a label has {len(label)} characters")
    # NFC first: an umlaut may come as two characters. Its result may be ASCII, as of the Kelvin sign: such a
    # label is not converted, since the name that is meant can't be known.
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).lower())
    if text.isascii():
        raise ValueError(f"{label!r} has characters that only look like ASCII")
    if len(text) > LONGEST_LABEL:
        raise ValueError(f"a label has {len(text)} characters")
    import idna  # needed for names in other alphabets only

    return idna.alabel(text).decode()


def _is_punycode(encoded: str) -> bool:
    if len(encoded) > LONGEST_LABEL:
        return False
    try:
        text = encoded.encode("ascii").decode("punycode")
        back = text.encode("punycode").decode("ascii")
    except (UnicodeError, ValueError):
        return False
    # A text in ASCII needs no xn-- form, and Unicode text in names is in NFC.
    return back == encoded and not text.isascii() and unicodedata.is_normalized("NFC", text)
