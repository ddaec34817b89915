"""The life of a streaming service: settings, log, signals, health port, worker, exit status.

with service("quality") as it:
    ...
    it.run(stream, step, settings, stall_timeout=300)
"""

import faulthandler
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Annotated, Literal

import structlog
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import FacestreamError, InvalidInput
from shared.ports.streams import ConsumedRecord, RecordStream
from shared.settings import DefaultText, Settings, check_environment
from shared.stream.health import Health, serve
from shared.stream.telemetry import Telemetry, configure_logging
from shared.stream.tracing import Traced, TracingSettings, tracing, untraced
from shared.stream.worker import Ahead, GiveUp, Step, Worker, WorkerSettings, nothing, refused

_STANDARD_ERROR = 2  # the descriptor
_LONGEST_START = 300.0  # seconds until all models are loaded


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


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is starting; `stop` is set by SIGTERM and SIGINT, `traced` is what makes spans if any."""

    name: str
    instance: str
    health: Health
    stop: Event
    traced: Traced = untraced

    def run(
        self,
        stream: RecordStream,
        step: Step,
        settings: WorkerSettings,
        *,
        stall_timeout: float,
        prepare: Callable[[], None] = nothing,
        committed: Callable[[Sequence[ConsumedRecord]], None] = nothing,
        ahead: Ahead | None = None,
        idle: Callable[[], None] = nothing,
        give_up: GiveUp = refused,
    ) -> None:
        """Work until the process is told to end; `prepare` and all others that are called are as in `Worker`.

        `stall_timeout`: seconds that one batch may take before the process counts as stuck.
        """
        self.health.stall_timeout = stall_timeout
        telemetry = Telemetry(stream, self.health)

        def reach() -> None:
            prepare()
            _collect_seldom()
            telemetry.prepared()

        worker = Worker(
            *(self.name, *self.traced(stream, step), settings, telemetry, self.stop),
            *(reach, committed, ahead, idle, give_up),
        )
        worker.run()


def _collect_seldom() -> None:
    """Search for cycles of objects every 200,000 new ones, and not among those that are there now.

    Python's 700 are reached dozens of times in a batch, whose objects all go at its end by themselves: the search took
    40 % of the assigner's time.
    """
    gc.freeze()
    gc.set_threshold(200_000)


@contextmanager
def service(name: str) -> Iterator[Service]:
    """Give a service; an error ends the process with a line in the log and status 1, a wrong setting with status 2."""
    log = structlog.get_logger()
    faulthandler.enable(_STANDARD_ERROR)  # where a library in C ends the process, it tells in which call
    try:
        settings = ServiceSettings()
        configure_logging(name, settings.instance, settings.log_level)
        check_environment()
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        health = Health(_LONGEST_START)
        if settings.health_port:
            serve(health, settings.health_host, settings.health_port)
        log.info("starting")
        with tracing(name, settings.instance, TracingSettings()) as traced:
            yield Service(name, settings.instance, health, stop, traced)
        log.info("stopped")
    except FacestreamError as error:
        log.critical("ended", error=type(error).__name__, reason=str(error))
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    except Exception:
        log.critical("ended by a defect", exc_info=True)
        sys.exit(1)
