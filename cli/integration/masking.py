"""A message that somebody else wrote, shown without what sounds like a secret."""

import re

# A field whose name sounds like it, in quotes of either kind, and its value; the message may have been
# cut off in the middle of that.
SECRET = re.compile(
    r"""(["'][^"']{0,200}(?:passw|secret|token|credential)[^"']{0,200}["']\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|[^,}\]]*)""",
    re.IGNORECASE,
)


def masked(body: bytes) -> str:
    """A message as text, whatever it is, with `***` for the values of such fields."""
    return SECRET.sub(r'\1"***"', body.decode("utf-8", "backslashreplace"))
