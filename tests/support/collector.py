"""A collector of traces: a server that takes spans over OTLP, as an operator has one."""

import gzip
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A span that arrived. `above`: id of the span above it; empty for a root."""

    service: str
    name: str
    trace: str
    id: str
    above: str


class Collector:
    """A server on a free port of this machine, for the length of a block."""

    def __init__(self) -> None:
        received: list[Received] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Keep the spans."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                received.extend(_spans(ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.received = received

    @property
    def url(self) -> str:
        """Address for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def in_trace(self, trace_id: str) -> list[Received]:
        """Return the spans of a trace that arrived until now."""
        return [each for each in list(self.received) if each.trace == trace_id]


def _spans(request: ExportTraceServiceRequest) -> list[Received]:
    found = []
    for of_resource in request.resource_spans:
        facts = {each.key: each.value.string_value for each in of_resource.resource.attributes}
        found += [
            Received(
                facts["service.name"],
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
            )
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]
    return found
