"""Traces of OpenTelemetry, off by default: one setting switches them on.

Off, nothing of OpenTelemetry is imported, and the trace context of whoever uploaded goes along as it came. On, each
service puts its own in its place, which is all that differs in what it writes: the header `traceparent`, which is
then another one at every attempt, while value, key and the other headers stay the same bytes. How spans are sampled,
and what is sent with them to the collector, is said by the variables `OTEL_*` of OpenTelemetry itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import InvalidInput
from shared.ports import RecordStream
from shared.settings import Settings
from shared.worker import Step

Traced = Callable[[RecordStream, Step], tuple[RecordStream, Step]]
"""Takes the stream and the step of a worker, and gives what the worker is to use in their places."""


class TracingSettings(Settings):
    """Where spans go."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_TRACING_")

    endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$",
            description="URL of a collector, OTLP over HTTP, without /v1/traces; absent: no traces",
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
        from shared import spans  # noqa: PLC0415  what is not wanted need not be installed
    except ModuleNotFoundError as error:
        msg = (
            f"FACESTREAM_TRACING_ENDPOINT: expected OpenTelemetry to be installed, found no module {error.name};"
            " install facestream[tracing], or leave the variable out"
        )
        raise InvalidInput(msg) from None
    with spans.sent_to(f"{settings.endpoint.rstrip('/')}/v1/traces", service, instance) as tracer:
        yield lambda stream, step: spans.traced(tracer, service, stream, step)


def untraced(stream: RecordStream, step: Step) -> tuple[RecordStream, Step]:
    """Return both as they are."""
    return stream, step
