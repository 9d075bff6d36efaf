"""Tests of the CA's look for a file: only what a web server really serves validates a domain."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.simulator.validating import Validating
from tests.servers.process import until

NAME = "unproven.example"

# Host and path → status, and body or target.
Pages = dict[tuple[str, str], tuple[int, str]]


@pytest.fixture
def pages(scm: Validating) -> Iterator[Pages]:
    """Yield the pages of a web server that the CA asks, empty at first."""
    found: Pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.get((self.headers["Host"], self.path), (404, "not here"))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", body)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    scm.set(dcv_http=f"127.0.0.1:{server.server_port}")
    yield found
    server.shutdown()
    server.server_close()


def path_of(url: str) -> str:
    """Return the path of a proof's URL."""
    return "/" + url.split("/", 3)[3]


@pytest.mark.parametrize("method", ["http", "https"])
def test_a_file_with_both_lines_validates_the_domain(
    scm: Validating, pages: Pages, method: str
) -> None:
    proof = scm.begin(NAME, method)
    assert proof["url"].startswith(f"{method}://{NAME}/.well-known/pki-validation/")
    scm.submit(NAME, method)
    assert "HTTP 404" in str(scm.after_looks(1))

    pages[NAME, path_of(proof["url"])] = (200, f"{proof['firstLine']}\r\n{proof['secondLine']}\r\n")

    scm.until_validated(NAME)


def test_a_file_with_another_line_is_named(scm: Validating, pages: Pages) -> None:
    proof = scm.begin(NAME, "http")
    pages[NAME, path_of(proof["url"])] = (200, f"{proof['firstLine']}\nexample.com\n")

    scm.submit(NAME, "http")

    assert "'example.com'" in str(scm.after_looks(1))
    assert scm.state(NAME) == ("NOT_VALIDATED", "SUBMITTED")


def test_a_redirect_is_followed_and_a_loop_of_them_is_not(scm: Validating, pages: Pages) -> None:
    proof = scm.begin(NAME, "http")
    path = path_of(proof["url"])
    pages[NAME, path] = (302, f"http://other.example{path}")
    pages["other.example", path] = (302, f"http://{NAME}{path}")
    scm.submit(NAME, "http")
    until(lambda: any("redirects" in str(look["why"]) for look in scm.looks()), 15)

    pages["other.example", path] = (200, f"{proof['firstLine']}\n{proof['secondLine']}")

    scm.until_validated(NAME)
