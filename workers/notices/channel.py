"""Send one message by apprise, and check the URL of a service. Neither repeats anything of the URL.

apprise is imported when it is first used: it takes 0.1 s.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from warnings import filterwarnings

import structlog

from certline.models.notices.kind import Severity
from certline.workers.notices.answers import TOO_LARGE, bounded_answers
from certline.workers.notices.schemes import LOCAL, NETWORK, READING

if TYPE_CHECKING:
    from certline.models.notices.words import Letter

log = structlog.get_logger()

# Seconds: to connect, for each answer, and for a message as a whole.
CONNECT, ANSWER, WHOLE = 5.0, 10.0, 60.0
# Sent as plain text, unless the URL says format=html.
MAIL = ("mailto", "mailtos")
# Characters of a URL.
LONGEST = 4_000
# What apprise calls a severity; pagers turn it into one of theirs.
TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}

# What apprise's log may say about a failure, and our words for it. Its own are not repeated: they may hold a part
# of the URL, and what the service has answered.
PHRASES = (
    (r"error[=:] ?(\d{3})", "it answered with status {}"),
    (r"\((\d{3}), b['\"]", "the mail server answered with code {}"),
    (r"Authentication|authentication failed|Unauthori[sz]ed", "it refuses the login"),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed", "its TLS certificate is not trusted"),
    (r"WRONG_VERSION_NUMBER|STARTTLS extension not supported", "it does not speak TLS there"),
    (
        r"Name or service not known|nodename nor servname|getaddrinfo|NameResolution",
        "its name has no address",
    ),
    (r"Connection refused", "it refuses the connection"),
    (TOO_LARGE, "its answer is too long"),
    (r"timed out|Timeout", "it did not answer in time"),
    (r"No route to host|Network is unreachable", "there is no way to it"),
    (
        r"[Cc]onnection error|Connection (aborted|reset|unexpectedly closed)",
        "the connection failed",
    ),
)
UNKNOWN = "it did not take the message"


class BadServiceError(Exception):
    """The URL is not one by which notices can be sent; the text says why, and has nothing of the URL."""


@dataclass(frozen=True)
class Service:
    """A service as it may be shown. `warnings`: what is unsafe about its URL."""

    name: str
    scheme: str
    warnings: list[str]


def service_of(url: str) -> Service:
    """Return the service that a URL is of. Nothing is sent. Raises BadServiceError."""
    plugin = _plugin(url)
    scheme = _scheme(url)
    warnings = []
    # `secure_mode`: of mail, where the scheme does not decide it.
    if plugin.secure_protocol and getattr(plugin, "secure_mode", None) == "insecure":
        warnings.append(
            "mail goes to the server without TLS: whoever is on the way can read it, and the login. "
            "With TLS: mailtos://"
        )
    elif plugin.protocol and plugin.secure_protocol and not plugin.secure:
        warnings.append(
            f"{scheme}:// is not encrypted: whoever is on the way can read the messages, and the login. "
            "With TLS: the scheme with an s at its end"
        )
    if not plugin.verify_certificate:
        warnings.append("verify=no: whoever is on the way can pretend to be the service")
    return Service(str(plugin.service_name), scheme, warnings)


def send(url: str, letter: Letter) -> str | None:
    """Send one message. Returns None if the service has taken it, else why not, without anything of the URL.

    Takes WHOLE seconds at most; a service that needs longer may have taken the message all the same.
    """
    outcome: list[str | None] = []

    def work() -> None:
        with bounded_answers(WHOLE), _heard() as words:
            try:
                outcome.append(None if _handed_over(url, letter) else _why(words))
            except BadServiceError as bad:
                outcome.append(str(bad))
            except Exception as error:  # noqa: BLE001  # the edge of a thread, and of other people's plugins
                # Its text may hold the URL.
                outcome.append(f"a fault of the plugin for this service ({type(error).__name__})")

    # A thread of its own: plugins have a time limit for each answer, but none for all of them.
    thread = threading.Thread(target=work, name="notice", daemon=True)
    thread.start()
    thread.join(WHOLE)
    return outcome[0] if outcome else f"it did not answer within {WHOLE:.0f} s"


def _handed_over(url: str, letter: Letter) -> bool:
    """Send one message. Returns whether the service has taken it. Raises BadServiceError."""
    plugin = _plugin(url)
    from apprise.common import NotifyFormat  # noqa: PLC0415  # see the module's docstring
    from apprise.conversion import convert_between  # noqa: PLC0415

    # The plugin itself, not `Apprise.notify`, which would run it in another thread, where `_heard` hears nothing.
    wanted = plugin.notify_format

    def fit(text: str) -> str:
        return str(convert_between(NotifyFormat.TEXT, wanted, content=text))

    return bool(
        plugin.notify(
            # Where there is no title, it becomes the begin of the body.
            title=letter.title if plugin.title_maxlen > 0 else fit(letter.title),
            body=fit(letter.body),
            notify_type=TYPES[letter.severity],
            body_format=wanted,
        )
    )


def _plugin(url: str) -> Any:
    """Return apprise's plugin for a URL, which reads nothing but the URL, and follows no redirect.

    Raises BadServiceError.
    """
    scheme = _scheme(url)
    if scheme in LOCAL:
        raise BadServiceError(f"{scheme}:// acts on the worker's own machine; notices go to others")
    if scheme not in NETWORK | {"https"}:
        raise BadServiceError(
            f"{scheme}:// is not a service that notices can be sent by; such are mailtos://, slack://, "
            "workflows:// (Teams), pagerduty://, matrixs://, jsons:// (docs/notices.md)"
        )
    reads = sorted(READING & {name.lstrip("+-: ") for name in _parameters(url)})
    if reads:
        raise BadServiceError(
            f"{reads[0]}= makes certline read a file, or another address; leave it out"
        )
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415  # see the module's docstring
    from apprise.common import NotifyFormat, PersistentStoreMode  # noqa: PLC0415

    with _heard():
        asset = AppriseAsset(
            app_id="certline",
            app_desc="certline",
            app_url="",
            # What the first plugin with a retry of its own would do is done by certline.
            default_service_retry=0,
            async_mode=False,
            http_redirects=False,
            interpret_emojis=False,
            interpret_escapes=False,
            pgp_autogen=False,
            pem_autogen=False,
            secure_logging=True,
            storage_mode=PersistentStoreMode.MEMORY,
            plugin_paths=[],
        )
        plugin = Apprise.instantiate(url, asset=asset)
    if plugin is None:
        hint = (
            "such as slack://" if scheme == "https" else "its parts are not what that service needs"
        )
        raise BadServiceError(
            f"the {scheme}:// URL is not one that certline can use: {hint} (docs/notices.md)"
        )
    own = {*_names(plugin.protocol), *_names(plugin.secure_protocol)}
    if not own & NETWORK:
        raise BadServiceError(f"{plugin.service_name} acts on the worker's own machine")
    # Whatever the URL says: time is the worker's.
    plugin.socket_connect_timeout = min(CONNECT, plugin.socket_connect_timeout)
    plugin.socket_read_timeout = min(ANSWER, plugin.socket_read_timeout)
    plugin.redirects = False
    if scheme in MAIL and "format" not in _parameters(url):
        plugin.notify_format = NotifyFormat.TEXT
    return plugin


def _names(schemes: object) -> tuple[str, ...]:
    if schemes is None:
        return ()
    return (schemes,) if isinstance(schemes, str) else tuple(schemes)  # type: ignore[arg-type]  # apprise has both


def _scheme(url: str) -> str:
    if len(url) > LONGEST or not url.isprintable():
        raise BadServiceError("the URL is too long, or has characters that no URL has")
    scheme, found, _ = url.partition("://")
    if not found or not re.fullmatch(r"[A-Za-z0-9]{1,32}", scheme):
        raise BadServiceError("this is no URL of a service, such as mailtos://… (docs/notices.md)")
    return scheme.lower()


def _parameters(url: str) -> list[str]:
    # As apprise does: all that follows the first question mark, also after a `#`; a `;` separates, too; and names
    # have neither case nor blanks around them.
    pairs = re.split("[&;]", url.partition("?")[2])
    return [unquote(pair.partition("=")[0].replace("+", " ")).strip().lower() for pair in pairs]


class _Words(logging.Handler):
    """Keeps what apprise logs in one thread, and lets none of it out."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.of_thread = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if the thread listens."""
        words = getattr(self.of_thread, "words", None)
        if words is not None:
            words.append(record.getMessage())


_WORDS = _Words()


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Yield the list of what apprise logs in this thread during the block; it goes nowhere else."""
    logger = logging.getLogger("apprise")
    if _WORDS not in logger.handlers:
        # Its lines have hosts, user names and parts of tokens.
        logger.handlers, logger.propagate = [_WORDS], False
        logger.setLevel(logging.DEBUG)
        # Paths of URLs, which are the tokens of chats.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        # It names the host, past the log; `add` has warned of verify=no.
        filterwarnings("ignore", message="Unverified HTTPS request")
    before = getattr(_WORDS.of_thread, "words", None)
    words: list[str] = []
    _WORDS.of_thread.words = words
    try:
        yield words
    finally:
        _WORDS.of_thread.words = before


def _why(words: list[str]) -> str:
    """Return why a message was not taken, in words of our own."""
    said = "\n".join(words)
    for pattern, text in PHRASES:
        found = re.search(pattern, said)
        if found is not None:
            return text.format(found[1] if found.groups() else "")
    return UNKNOWN
