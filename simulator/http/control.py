"""Control door for tests and demos, below `/_sim`: needs no login; `door_guard` admits whom it serves."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from certline.simulator.state.faults import InjectedFault
from certline.simulator.state.records import Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire.answers import Refusal, without_gaps
from certline.simulator.wire.dates import MOMENT, written
from certline.simulator.wire.fields import path_id

AS_JSON = "the body must be sent as JSON: Content-Type: application/json"
FAULT_KEYS = {field.name for field in fields(InjectedFault)}


class Door:
    """Handlers of the control door, for one simulated SCM."""

    def __init__(self, scm: Scm, start_again: Callable[[], None]) -> None:
        self.scm = scm
        self.start_again = start_again

    def routes(self) -> list[Route]:
        """Return the routes below `/_sim`."""
        return [
            Route("/health", self.health),
            Route("/root.pem", self.root),
            Route("/orders", self.orders),
            Route("/orders/{sslId}/{deed}", self.order, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/settings", self.show_settings, methods=["GET"]),
            Route("/settings", self.change_settings, methods=["POST"]),
            Route("/faults", self.show_faults, methods=["GET"]),
            Route("/faults", self.add_faults, methods=["POST"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/calls", self.calls),
            Route("/looks", self.looks),
        ]

    async def health(self, _: Request) -> Response:
        """Report that the simulator is up, and the number of records."""
        return JSONResponse({"status": "ok", "orders": len(self.scm.records)})

    async def root(self, _: Request) -> Response:
        """Return the root certificate to trust, in PEM."""
        return Response(self.scm.authority.root_pem, media_type="application/x-pem-file")

    async def orders(self, _: Request) -> Response:
        """Return every record."""
        return JSONResponse([self._line(record) for record in self.scm.all()])

    async def order(self, request: Request) -> Response:
        """Do to an order what an administrator, the CA or the passing of time would do."""
        deeds = {
            "approve": lambda record: self.scm.approve(record, "Control Door"),
            "decline": self.scm.decline,
            "reject": self.scm.reject,
            "issue": self.scm.issue_now,
            "expire": self.scm.expire,
        }
        deed = deeds.get(request.path_params["deed"])
        if deed is None:
            return _no(f"unknown action; use one of {', '.join(deeds)}", 404)
        try:
            record = self.scm.record(path_id(request.path_params["sslId"]), reading=True)
        except Refusal as refusal:
            return _no(refusal.description, 404)
        try:
            deed(record)
        except Refusal as refusal:
            return _no(refusal.description, 409)
        return JSONResponse(self._line(record))

    async def reset(self, _: Request) -> Response:
        """Restore records, settings, faults and call counts to those at the start."""
        self.start_again()
        return Response(status_code=204)

    async def show_settings(self, _: Request) -> Response:
        """Return all settings."""
        return JSONResponse(self.scm.settings.as_json())

    async def change_settings(self, request: Request) -> Response:
        """Change some settings, and return all of them."""
        if not _is_json(request):
            return _no(AS_JSON, 415)
        try:
            wanted = json.loads(await request.body())
        except (ValueError, RecursionError) as error:
            return _no(str(error), 400)
        if not isinstance(wanted, dict):
            return _no("settings must be a JSON object", 400)
        try:
            self.scm.settings.change(wanted)
        except ValueError as error:
            return _no(str(error), 400)
        return JSONResponse(self.scm.settings.as_json())

    async def show_faults(self, _: Request) -> Response:
        """Return the faults that still wait for a call."""
        return JSONResponse([fault.as_json() for fault in self.scm.faults])

    async def add_faults(self, request: Request) -> Response:
        """Add faults; the first that matches a call is applied to it. Returns all waiting faults."""
        if not _is_json(request):
            return _no(AS_JSON, 415)
        try:
            wanted = json.loads(await request.body())
            added = [_fault(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
        except (ValueError, TypeError, RecursionError) as error:
            return _no(str(error), 400)
        self.scm.faults.extend(added)
        return JSONResponse([fault.as_json() for fault in self.scm.faults])

    async def clear_faults(self, _: Request) -> Response:
        """Remove all faults."""
        self.scm.faults.clear()
        return Response(status_code=204)

    async def looks(self, _: Request) -> Response:
        """Return the CA's looks for proofs, the oldest first."""
        return JSONResponse([asdict(each) for each in self.scm.looks])

    async def calls(self, _: Request) -> Response:
        """Return how often each path was called, including calls that were refused or met a fault."""
        return JSONResponse(dict(self.scm.calls))

    def _line(self, record: Record) -> dict[str, Any]:
        return without_gaps(
            {
                "sslId": record.ssl_id,
                "status": self.scm.shown_status(record),
                "commonName": record.common_name,
                "comments": record.comments,
                "enrolledAt": written(record.requested_at, MOMENT),
                "replacements": len(record.earlier) or None,
            }
        )


def _fault(sent: Any) -> InjectedFault:
    if not isinstance(sent, dict) or "kind" not in sent:
        raise ValueError("a fault must be an object with a kind")
    unknown = set(sent) - FAULT_KEYS
    if unknown:
        raise ValueError(f"unknown keys of a fault: {', '.join(sorted(unknown))}")
    return InjectedFault(**sent)


def _no(why: str, code: int) -> Response:
    return JSONResponse({"error": why}, code)


def _is_json(request: Request) -> bool:
    """Return True for a body sent as JSON: a page of another site can send other types without being asked."""
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    return kind.strip().lower() == "application/json"
