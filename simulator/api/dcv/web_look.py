"""The CA's look for a file on a web server."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urljoin, urlsplit

from certline.simulator.settings import SimSettings

# Seconds, redirects followed, and bytes read of a file.
TIMEOUT = 10
MOST_REDIRECTS = 5
MOST_BYTES = 64 * 1024
REDIRECTS = {301, 302, 303, 307, 308}


def why_not(url: str, lines: tuple[str, str], settings: SimSettings) -> str | None:
    """Return why the file behind a URL isn't the proof, or None if it is: its first two lines are these."""
    for _ in range(MOST_REDIRECTS + 1):
        try:
            status, location, body = _get(url, settings)
        except (OSError, HTTPException, ValueError) as error:
            return f"{url}: no response ({error})"
        if status in REDIRECTS and location:
            url = urljoin(url, location)
            continue
        if status != 200:
            return f"{url}: HTTP {status}"
        found = [line.strip() for line in body.decode("utf-8", "replace").splitlines()[:2]]
        return None if found == list(lines) else f"{url} has {found}, not {list(lines)}"
    return f"{url}: more than {MOST_REDIRECTS} redirects"


def _get(url: str, settings: SimSettings) -> tuple[int, str | None, bytes]:
    """Get a file: at `dcv_http`, always in plain HTTP, or from the URL's own host, whatever its certificate."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not a URL of the web")
    if settings.dcv_http:
        connection = HTTPConnection(settings.dcv_http, timeout=TIMEOUT)
    elif parts.scheme == "http":
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT)
    else:
        # Until the domain is validated it may have no certificate that anybody trusts.
        anyone = ssl._create_unverified_context()  # noqa: SLF001, S323
        connection = HTTPSConnection(
            parts.hostname, parts.port or 443, timeout=TIMEOUT, context=anyone
        )
    try:
        path = parts.path or "/"
        query = f"?{parts.query}" if parts.query else ""
        connection.request("GET", f"{path}{query}", headers={"Host": parts.netloc})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location"), answer.read(MOST_BYTES)
    finally:
        connection.close()
