"""The job: one regrouping from the lease to the last announcement, and one every so many days."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from services.reclusterer.generations.lease import heartbeat, taken
from services.reclusterer.generations.phases import Phases
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings, ReclustererSettings
from services.reclusterer.step import Outcome, Regrouped, recluster
from shared import metrics
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.errors import Busy, Transient
from shared.ports.repository import FaceRepository
from shared.ports.streams import RecordWriter
from shared.stream.health import Health

_BEATS = 4  # renewals within the time that the lease lasts
_LONGEST_PAUSE = 60.0  # seconds between two attempts
_LOOK_EVERY = 1.0  # seconds


class Stopped(Exception):
    """The process was told to end; the next one goes on."""


def _log_retry(state: RetryCallState) -> None:
    """Log an attempt that failed and is made again, and count it."""
    error = state.outcome.exception() if state.outcome else None
    structlog.get_logger().warning(
        "trying again", reason=str(error), attempt=state.attempt_number, pause=round(state.upcoming_sleep, 1)
    )
    metrics.RETRIES.inc()


@dataclass(frozen=True, slots=True)
class Job:
    """What a job needs. `open_writer` is called once per attempt; `holder` names this process among others."""

    repository: FaceRepository
    open_writer: Callable[[], RecordWriter]
    holder: str
    clustering: ReclustererSettings
    assigner: AssignerSettings
    settings: JobSettings
    health: Health
    stop: Event

    def once(self) -> Regrouped:
        """Regroup once; a server that is away is waited for. Raises `Stopped`, `Busy`, `Fatal`, `Transient`."""
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            wait=wait_exponential_jitter(multiplier=2, max=_LONGEST_PAUSE, jitter=2),
            stop=stop_before_delay(self.settings.retry_timeout),
            sleep=self._wait,
            before_sleep=_log_retry,
            reraise=True,
        )
        done = retrying(self._attempt)
        self._tell(done)
        return done

    def every(self, period: timedelta) -> None:
        """Regroup whenever the active generation is older than the period, until told to stop.

        An attempt that failed, or found nothing to do, is repeated after the period.
        """
        log = structlog.get_logger()
        while True:
            try:
                self._wait_until(self._due(period))
                self.once()
            except Busy as error:
                log.info("not needed", reason=str(error))
            except Transient as error:
                log.error("failed", reason=str(error))  # noqa: TRY400  no defect: a line says it all
                metrics.RECLUSTERINGS.labels("failed").inc()
            self._wait(period.total_seconds())

    def _attempt(self) -> Regrouped:
        phases = Phases(self._begins)
        with ExitStack() as stack:
            with phases("lease"):
                hold = stack.enter_context(taken(self.repository, self.holder, self.settings, self._wait))
            stack.enter_context(heartbeat(hold, self.settings.lease / _BEATS))
            # After the lease, so that it shuts out the writer of whoever had it before. And before the check: whoever
            # takes the lease from now on opens a later one.
            writer = self.open_writer()
            hold.check()
            publisher = Publisher(
                self.repository, hold, writer, self.assigner, self.settings, phases, self._wait, self._say
            )
            done = recluster(publisher, self.clustering)
        for phase, seconds in phases.seconds.items():
            metrics.RECLUSTER_SECONDS.labels(phase).set(seconds)
        return done

    def _say(self, event: str, about: Mapping[str, object]) -> None:
        structlog.get_logger().info(event, **about)

    def _look(self) -> Generation | None:
        """Have the metrics tell how things stand, and return the active generation; raises `Transient`."""
        active = self.repository.active_generation()
        last = active.number if active else 0
        later = [found for found in self.repository.generations() if found.number > last]
        metrics.HELD.set(any(found.state is GenerationState.HELD for found in later))
        metrics.GENERATION.set(last)
        if active and active.created_at:
            metrics.GENERATION_CREATED.set(active.created_at.timestamp())
        self.health.ready = True
        return active

    def _due(self, period: timedelta) -> datetime:
        active = self._look()
        return active.created_at + period if active and active.created_at else datetime.now(UTC)

    def _begins(self, phase: str) -> None:
        self.health.looped()
        if self.stop.is_set():
            raise Stopped
        structlog.get_logger().info("phase", phase=phase)

    def _wait_until(self, when: datetime) -> None:
        self._wait((when - datetime.now(UTC)).total_seconds())

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.health.looped()
            if self.stop.wait(min(left, _LOOK_EVERY)):
                raise Stopped

    def _tell(self, done: Regrouped) -> None:
        log = structlog.get_logger()
        generation = done.generation
        metrics.RECLUSTERINGS.labels(done.outcome).inc()
        with suppress(Transient):
            self._look()
        if generation and done.outcome is Outcome.PUBLISHED:
            metrics.CLUSTERED.set(generation.counts["faces"])
            metrics.PEOPLE.set(generation.counts["clusters"])
        number = generation.number if generation else None
        counts = dict(generation.counts) if generation else {}
        tell = log.error if done.outcome is Outcome.HELD else log.info
        tell(done.outcome.value, generation=number, reason=done.reason, **counts)
