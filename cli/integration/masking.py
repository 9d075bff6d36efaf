"""Masking of likely secrets in messages from other systems."""

import re

# A quoted field name (either kind of quotes) that suggests a secret, and its value. Works on text, not on
# parsed JSON, because the message may be malformed; closing quotes and brackets are optional, because it may
# have been cut off inside a value. `{0,200}` bounds the backtracking.
SECRET = re.compile(
    r"""(["'][^"']{0,200}(?:passw|secret|token|credential)[^"']{0,200}["']\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\]]*)""",
    re.IGNORECASE,
)


def masked(body: bytes) -> str:
    """Return a message as text, with `***` for the values of fields whose names suggest a secret."""
    return SECRET.sub(r'\1"***"', body.decode("utf-8", "backslashreplace"))
