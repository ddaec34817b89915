"""Traces of OpenTelemetry: off unless `FACESTREAM_TRACING_ENDPOINT` is set.

Off: nothing of OpenTelemetry is imported, and the trace context of an upload is passed on unchanged. On: each service
replaces the header `traceparent` by its own, which differs at every attempt; the value, the key and the other headers
of what it writes stay the same. OpenTelemetry's own variables `OTEL_*` decide how spans are sampled, and what
is sent to the collector with them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.connections import check_authorities, check_file, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput
from shared.ports.streams import RecordStream
from shared.settings import Settings
from shared.stream.processor import Processor

_OTLP = "OTEL_EXPORTER_OTLP_"


class Tracing(Protocol):
    """Makes the spans of one service."""

    def wrap(self, stream: RecordStream, processor: Processor) -> tuple[RecordStream, Processor]:
        """Return the stream and the processor that the worker is to use, so that each record has a span."""
        ...


class NoTracing:
    """Makes no spans."""

    def wrap(self, stream: RecordStream, processor: Processor) -> tuple[RecordStream, Processor]:
        """Return both unchanged."""
        return stream, processor


class TracingSettings(Settings):
    """Export of traces.

    OpenTelemetry's own variables (`OTEL_...`) set the sampling and the login at the collector.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_TRACING_")

    endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$",
            description="URL of an OpenTelemetry collector that accepts OTLP over HTTP, without the path `/v1/traces`."
            " If not set, no traces are sent.",
        ),
    ] = None


@contextmanager
def tracing(service: str, instance: str, settings: TracingSettings) -> Iterator[Tracing]:
    """Yield what makes the spans of a service; at the end of the block, the spans that are left are sent.

    Raises `InvalidInput` if traces are configured and OpenTelemetry is not installed, or is configured wrongly.
    """
    if settings.endpoint is None:
        yield NoTracing()
        return
    try:
        from shared.stream import spans  # noqa: PLC0415  OpenTelemetry need not be installed without traces
    except ModuleNotFoundError as error:
        msg = (
            f"FACESTREAM_TRACING_ENDPOINT: expected OpenTelemetry to be installed, found no module {error.name};"
            " install facestream[tracing], or leave the variable out"
        )
        raise InvalidInput(msg) from None
    _check(settings.endpoint)
    with spans.sent_to(f"{settings.endpoint.rstrip('/')}/v1/traces", service, instance) as tracer:
        yield spans.SpanTracing(tracer, service)


def _check(endpoint: str) -> None:
    """Check OpenTelemetry's own variables: raises `InvalidInput` if one has no effect or names an unusable file.

    Warns if the connection is not encrypted.
    """
    url = urlsplit(endpoint)
    files = {name: value for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY") if (value := _variable(name))}
    if files and url.scheme == "http":
        msg = (
            f"{_OTLP}{next(iter(files))}: expected https:// in FACESTREAM_TRACING_ENDPOINT, without which it has no "
            "effect, found http://; set that, or leave this out"
        )
        raise InvalidInput(msg)
    if "CLIENT_KEY" in files and "CLIENT_CERTIFICATE" not in files:
        msg = f"{_OTLP}CLIENT_KEY: expected {_OTLP}CLIENT_CERTIFICATE beside it, found none; set both, or neither"
        raise InvalidInput(msg)
    for name, value in files.items():
        check = check_authorities if name == "CERTIFICATE" else check_file
        check(f"{_OTLP}{name}", Path(value))
    if _variable("HEADERS") and url.scheme == "http" and not is_loopback(url.hostname or ""):
        what = f"http://, so what {_OTLP}HEADERS holds goes unencrypted; https:// where that is a secret"
        warn_of_plain_text("FACESTREAM_TRACING_ENDPOINT", what)


def _variable(name: str) -> str | None:
    return os.environ.get(f"{_OTLP}TRACES_{name}") or os.environ.get(f"{_OTLP}{name}")
