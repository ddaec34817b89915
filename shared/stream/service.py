"""The life of a streaming service: settings, log, signals, health port, worker, exit status.

with service("quality") as quality:
    ...
    quality.run(stream, processor, settings, stall_timeout=300)
"""

import faulthandler
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Annotated, Literal

import structlog
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import FacestreamError, InvalidInput
from shared.ports.streams import RecordStream
from shared.settings import DefaultText, Settings, check_environment
from shared.stream.health import Health, serve
from shared.stream.log_configuration import configure_logging
from shared.stream.processor import Processor
from shared.stream.telemetry import Telemetry
from shared.stream.tracing import NoTracing, Tracing, TracingSettings, tracing
from shared.stream.worker import Worker, WorkerSettings

_STANDARD_ERROR = 2  # the file descriptor
_START_TIMEOUT = 300.0  # seconds until all models are loaded
_ALLOCATIONS = 200_000  # new objects after which Python looks for cycles of objects


class ServiceSettings(Settings):
    """Process, health endpoint and log of a service."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_SERVICE_")

    instance: Annotated[
        str,
        DefaultText("the host name"),
        Field(
            min_length=1,
            description="Name of this process, unique among the processes of its service. It must stay the same when"
            " the process restarts.",
        ),
    ] = socket.gethostname()
    health_host: Annotated[
        str,
        Field(
            description="Address on which `/livez`, `/readyz` and `/metrics` are served. If empty, they are served on"
            " every address of the machine."
        ),
    ] = ""
    health_port: Annotated[
        int,
        Field(
            ge=0, le=65535, description="Port of `/livez`, `/readyz` and `/metrics`. If it is 0, they are not served."
        ),
    ] = 0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Lowest level of the lines in the log.")
    ] = "INFO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that is starting. `stop` is set by SIGTERM and SIGINT; `tracing` makes the spans of its records."""

    name: str
    instance: str
    health: Health
    stop: Event
    tracing: Tracing = field(default_factory=NoTracing)

    def run(
        self, stream: RecordStream, processor: Processor, settings: WorkerSettings, *, stall_timeout: float
    ) -> None:
        """Process the records of `stream` until SIGTERM or SIGINT; raises `Fatal`.

        `stall_timeout`: seconds that one batch may take; after that, the process does not count as alive any more.
        """
        self.health.stall_timeout = stall_timeout
        telemetry = Telemetry(stream, self.health, on_started=_collect_seldom)
        traced_stream, traced_processor = self.tracing.wrap(stream, processor)
        worker = Worker(
            service=self.name,
            stream=traced_stream,
            processor=traced_processor,
            settings=settings,
            observer=telemetry,
            stop=self.stop,
        )
        worker.run()


def _collect_seldom() -> None:
    """Search for cycles of objects only after every `_ALLOCATIONS` new ones, and never among those that exist now.

    A batch reaches Python's default of 700 dozens of times, and its objects are freed without a search at its end. With
    the default, the search took 40 % of the assigner's time.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


@contextmanager
def service(name: str) -> Iterator[Service]:
    """Yield a service. After an error, log a line and exit: with status 2 after `InvalidInput`, else with status 1."""
    log = structlog.get_logger()
    faulthandler.enable(_STANDARD_ERROR)  # if a C library ends the process, the stack shows in which call
    try:
        settings = ServiceSettings()
        configure_logging(name, settings.instance, settings.log_level)
        check_environment()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        health = Health(_START_TIMEOUT)
        if settings.health_port:
            serve(health, settings.health_host, settings.health_port)
        log.info("starting")
        with tracing(name, settings.instance, TracingSettings()) as of_service:
            yield Service(name=name, instance=settings.instance, health=health, stop=stop, tracing=of_service)
        log.info("stopped")
    except FacestreamError as error:
        log.critical("ended", error=type(error).__name__, reason=str(error))
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    except Exception:
        log.critical("ended by a defect", exc_info=True)
        sys.exit(1)
