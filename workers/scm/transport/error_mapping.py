"""Pure functions that turn an HTTP response into an error, or into none."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from certline.workers.scm.errors import Garbled, ScmError
from certline.workers.scm.transport.error_rules import CHANGES, rule_for
from certline.workers.scm.transport.http import HttpResponse
from certline.workers.scm.transport.json_reader import WrongShapeError, read_json

# Characters: enough to recognise a proxy's page.
LONGEST_DESCRIPTION = 300

# Characters of a page in which a description is looked for.
LONGEST_PAGE = 64 * 1024

# Function that returns a text without our secrets.
Hide = Callable[[str], str]


@dataclass(frozen=True)
class _Word:
    """SCM's own error body, `{"code": …, "description": …}`; the code may be missing."""

    code: int | None
    description: str


def error_in(operation: str, answer: HttpResponse, hide: Hide = str) -> ScmError | None:
    """Return the error that a response stands for, or None for a complete 2xx.

    A response may echo our headers, so every text goes through `hide` before it is shortened.
    """
    status = answer.status
    if 200 <= status < 300:
        if answer.body is not None:
            return None
        return Garbled(operation, hide(f"response cut off: {answer.broken}"), status=status)

    word = _word(answer.body, hide)
    code = word.code if word else None
    text = (word.description if word else _page(answer.body, hide)) or phrase(status)
    # An empty 404 to a read is taken for SCM's own; to a change it may be a proxy's, so the outcome is unknown.
    bare_404 = status == 404 and answer.body == b"" and operation not in CHANGES
    rule = rule_for(operation, status, code, text, by_scm=word is not None or bare_404)
    wait = retry_after(answer.headers)
    return rule.error(
        operation, text, status=status, code=code, advice=rule.advice, retry_after=wait
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in the header Retry-After (seconds or an HTTP date), or None if it is neither.

    A date is compared with the header Date, since our clock may differ from SCM's.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    moment = _moment(value)
    if moment is None:
        return None
    now = _moment(headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _word(body: bytes | None, hide: Hide) -> _Word | None:
    try:
        raw = read_json(body or b"")
    except WrongShapeError:
        return None
    if not isinstance(raw, dict):
        return None
    code, description = raw.get("code"), raw.get("description")
    if isinstance(code, str) and re.fullmatch(r"-?[0-9]{1,9}", code):
        code = int(code)
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    description = description if isinstance(description, str) else ""
    if code is None and not description:
        return None
    extra = raw.get("details")
    if isinstance(extra, str) and extra:
        description = f"{description}: {extra}"
    return _Word(code, short(description, hide))


def _page(body: bytes | None, hide: Hide) -> str:
    # Hidden before it is cut, as in `short`.
    text = hide((body or b"").decode("utf-8", "replace"))[:LONGEST_PAGE]
    # Without `<` in the brackets, "<<<<…" would be searched to its end from each of them.
    return short(re.sub(r"<[^<>]*>", " ", text), hide)


def short(text: str, hide: Hide) -> str:
    """Return the text as one line of limited length, without our secrets.

    Secrets are hidden before the text is cut; otherwise half of one could remain.
    """
    text = hide(text).encode("utf-8", "replace").decode().replace("\0", "")
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"


def phrase(status: int) -> str:
    """Return the standard phrase for an HTTP status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown HTTP status"
