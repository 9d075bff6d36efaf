"""A stand-in for PowerDNS with the part of its API that dns-lexicon uses, for one zone."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "k3y-of-the-api"
# Name and type of records, each with a dot at its end: `("_4ab.shop.example.", "TXT")`.
RecordSet = tuple[str, str]


class PowerDns:
    """The server. `records` may be changed; while `hold` is clear nothing is answered.

    `around`: called with what was there and what is wanted, and what makes the change; the response is sent if it
    returns True, and else the connection is closed.
    """

    def __init__(self) -> None:
        self.records: dict[RecordSet, list[str]] = {}
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        self.headers: list[dict[str, str]] = []
        self.around: Callable[[RecordSet, list[str], list[str], Callable[[], None]], bool] = _change
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Log nothing."""

            def do_GET(self) -> None:
                """Return the zone."""
                self._answer(ours.zone())

            def do_PATCH(self) -> None:
                """Change the zone."""
                length = int(self.headers["Content-Length"])
                changes = json.loads(self.rfile.read(length))["rrsets"]
                if ours.status != 200 or all(map(ours.apply, changes)):
                    self._answer({})
                else:
                    self.close_connection = True

            def _answer(self, document: Any) -> None:
                ours.headers.append(dict(self.headers))
                ours.hold.wait(30)
                body = json.dumps(document if ours.status == 200 else {"error": SECRET}).encode()
                known = self.headers["X-API-Key"] == SECRET
                self.send_response(ours.status if known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def apply(self, change: dict[str, Any]) -> bool:
        """Make a change. Returns True if it is answered."""
        where = change["name"], change["type"]
        wanted = [each["content"] for each in change["records"]]

        def make() -> None:
            self.records[where] = wanted

        return self.around(where, self.records.get(where, []), wanted, make)

    def zone(self) -> dict[str, Any]:
        """Return the zone as PowerDNS does."""
        return {
            "kind": "Native",
            "rrsets": [
                {
                    "name": name,
                    "type": kind,
                    "ttl": 300,
                    "records": [{"content": each, "disabled": False} for each in contents],
                }
                for (name, kind), contents in self.records.items()
                if contents
            ],
        }

    def at(self, name: str, kind: str) -> list[str]:
        """Return the records of a name, given without the dot at its end."""
        return self.records.get((f"{name}.", kind), [])


def _change(_: RecordSet, __: list[str], ___: list[str], make: Callable[[], None]) -> bool:
    make()
    return True
