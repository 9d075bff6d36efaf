"""A board that serves over a socket, and what a test sees through it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from certline.board.access.policy import AccessPolicy, access_policy
from certline.board.app import build_app
from certline.board.context import open_context
from certline.board.server import listen, serving, url_of
from certline.models.settings import Settings

# A page that has no numbers yet, and seconds until they have to be there.
COUNTING, PATIENCE = "data-counting", 30


class BoardWindow:
    """Looks at a board as a browser without JavaScript does. `url`: without a slash at its end."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **more: Any) -> requests.Response:
        """Return the response for a path; a page whose numbers are being counted is loaded again, as people do."""
        until = time.monotonic() + PATIENCE
        answer = self.at_once(path, **more)
        while COUNTING in answer.text and time.monotonic() < until:
            answer = self.at_once(path, **more)
        return answer

    def at_once(self, path: str, **more: Any) -> requests.Response:
        """Return the response for a path, whatever it says."""
        return self.session.get(f"{self.url}{path}", timeout=30, **more)

    def text(self, path: str) -> str:
        """Return what a person reads on a page: its text without elements, blanks run together."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return readable(answer.text)

    def rows(self, path: str) -> Any:
        """Return the page's data as JSON."""
        answer = self.get(path, params={"format": "json"})
        assert answer.status_code == 200, answer.text
        return answer.json()


def readable(html: str) -> str:
    """Return the text of the main part of a page, blanks run together."""
    main = html.partition("<main")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


@contextmanager
def a_board(
    database_url: str, access: AccessPolicy | None = None, **more: Any
) -> Iterator[BoardWindow]:
    """Serve a board on a free port for the length of the block, to everybody unless `access` says otherwise."""
    board = open_context(Settings(database_url=database_url, **more))
    listener = listen("127.0.0.1", 0)
    try:
        with serving(build_app(board, access or access_policy("127.0.0.1")), listener):
            yield BoardWindow(url_of(listener))
    finally:
        board.close()
