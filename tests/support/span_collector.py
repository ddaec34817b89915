"""A collector of spans in this process: OTLP over HTTP, as of an OpenTelemetry collector."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """A received span. Ids are hexadecimal; `parent` is empty for a root."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    kind: int
    status: int
    attributes: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    start: int
    end: int


@dataclass
class Collector:
    """The spans received so far. `raw`: the bodies of the requests."""

    endpoint: str = ""
    raw: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Received]:
        return [span for body in tuple(self.raw) for span in _decoded(body)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on a free port within the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            ok = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if ok:
                collector.raw.append(body)
            self.send_response(200 if ok else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _decoded(body: bytes) -> Iterator[Received]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.status.code,
                    _values(span.attributes),
                    [{"name": event.name, **_values(event.attributes)} for event in span.events],
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
