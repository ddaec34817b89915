"""Traces of OpenTelemetry, off by default: one setting switches them on.

Off, nothing of OpenTelemetry is imported, and the trace context of whoever uploaded goes along as it came. On, each
service puts its own in its place, which is all that differs in what it writes: the header `traceparent`, which is
then another one at every attempt, while value, key and the other headers stay the same bytes. How spans are sampled,
and what is sent with them to the collector, is said by the variables `OTEL_*` of OpenTelemetry itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.connections import check_authorities, check_file, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput
from shared.ports.streams import RecordStream
from shared.settings import Settings
from shared.stream.worker import Step

_OTLP = "OTEL_EXPORTER_OTLP_"

Traced = Callable[[RecordStream, Step], tuple[RecordStream, Step]]
"""Takes the stream and the step of a worker, and gives what the worker is to use in their places."""


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
def tracing(service: str, instance: str, settings: TracingSettings) -> Iterator[Traced]:
    """Give the way to trace a service; what was not sent at the end of the block is sent then.

    Raises `InvalidInput` where traces are wanted and OpenTelemetry is not installed.
    """
    if settings.endpoint is None:
        yield untraced
        return
    try:
        from shared.stream import spans  # noqa: PLC0415  what is not wanted need not be installed
    except ModuleNotFoundError as error:
        msg = (
            f"FACESTREAM_TRACING_ENDPOINT: expected OpenTelemetry to be installed, found no module {error.name};"
            " install facestream[tracing], or leave the variable out"
        )
        raise InvalidInput(msg) from None
    _check(settings.endpoint)
    with spans.sent_to(f"{settings.endpoint.rstrip('/')}/v1/traces", service, instance) as tracer:
        yield lambda stream, step: spans.traced(tracer, service, stream, step)


def _check(endpoint: str) -> None:
    """Refuse what OpenTelemetry's own variables say and has no effect, or names no usable file; warn of plain text."""
    url = urlsplit(endpoint)
    files = {name: value for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY") if (value := _given(name))}
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
    if _given("HEADERS") and url.scheme == "http" and not is_loopback(url.hostname or ""):
        what = f"http://, so what {_OTLP}HEADERS holds goes unencrypted; https:// where that is a secret"
        warn_of_plain_text("FACESTREAM_TRACING_ENDPOINT", what)


def _given(name: str) -> str | None:
    return os.environ.get(f"{_OTLP}TRACES_{name}") or os.environ.get(f"{_OTLP}{name}")


def untraced(stream: RecordStream, step: Step) -> tuple[RecordStream, Step]:
    """Return both as they are."""
    return stream, step
