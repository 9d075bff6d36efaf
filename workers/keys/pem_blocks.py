"""Finds the PEM blocks in a text in one pass, whatever the text."""

import re
from collections.abc import Iterator

# The kinds that may hold certificates. A fixed text each, so the search never goes back.
_MARK = re.compile(rb"-----(BEGIN|END) (X509 CERTIFICATE|CERTIFICATE|PKCS7)-----")


def pem_blocks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, text between the marks) of each block with certificates.

    Blocks may follow each other without a line break, and the last may lack its final one. A block without an end
    is left out; marks within a block belong to its text, which can't be read then.
    """
    marks = list(_MARK.finditer(body))
    last = {mark[2]: mark.start() for mark in marks if mark[1] == b"END"}
    kind, begun = b"", 0
    for mark in marks:
        if kind and mark[1] == b"END" and mark[2] == kind:
            yield kind, body[begun : mark.start()]
            kind = b""
        elif not kind and mark[1] == b"BEGIN" and mark.start() < last.get(mark[2], -1):
            kind, begun = mark[2], mark.end()
