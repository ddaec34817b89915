"""The job: one reclustering from the lease to the last announcement, or one after each period."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_exponential_jitter

from services.reclusterer.generations.lease import acquire_lease, heartbeat
from services.reclusterer.generations.phases import Phases
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings, ReclustererSettings
from services.reclusterer.step import ReclusterOutcome, ReclusterResult, recluster
from shared import metrics
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.errors import Busy, Transient
from shared.ports.repository import FaceRepository
from shared.ports.streams import RecordWriter
from shared.stream.health import Health

_RENEWALS = 4  # of the lease within its duration
_LONGEST_PAUSE = 60.0  # seconds between two attempts
_POLL_INTERVAL = 1.0  # seconds between two checks whether the process has to stop


class Stopped(Exception):
    """The process was asked to stop. The next one resumes the work."""


def _log_retry(state: RetryCallState) -> None:
    """Log an attempt that failed and is made again, and count it."""
    error = state.outcome.exception() if state.outcome else None
    structlog.get_logger().warning(
        "trying again", reason=str(error), attempt=state.attempt_number, pause=round(state.upcoming_sleep, 1)
    )
    metrics.RETRIES.inc()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Reclusters once or periodically, as one of several processes.

    `open_writer`: called once for each attempt. `holder`: the name of this process in the lease. `stop`: set when the
    process has to stop.
    """

    repository: FaceRepository
    open_writer: Callable[[], RecordWriter]
    holder: str
    clustering: ReclustererSettings
    assigner: AssignerSettings
    settings: JobSettings
    health: Health
    stop: Event

    def once(self) -> ReclusterResult:
        """Recluster once, and try again while a server is away. Raises `Stopped`, `Busy`, `Fatal`, `Transient`."""
        retrying = Retrying(
            retry=retry_if_exception_type(Transient),
            wait=wait_exponential_jitter(multiplier=2, max=_LONGEST_PAUSE, jitter=2),
            stop=stop_before_delay(self.settings.retry_timeout),
            sleep=self._wait,
            before_sleep=_log_retry,
            reraise=True,
        )
        done = retrying(self._attempt)
        self._report(done)
        return done

    def every(self, period: timedelta) -> None:
        """Recluster whenever the active generation is older than the period, until asked to stop.

        After an attempt that failed, or had nothing to do, the next one follows after the period. Raises `Stopped` and
        `Fatal`.
        """
        log = structlog.get_logger()
        while True:
            try:
                self._wait_until(self._due(period))
                self.once()
            except Busy as error:
                log.info("not needed", reason=str(error))
            except Transient as error:
                log.error("failed", reason=str(error))  # noqa: TRY400  no defect: the reason is enough
                metrics.RECLUSTERINGS.labels("failed").inc()
            self._wait(period.total_seconds())

    def _attempt(self) -> ReclusterResult:
        phases = Phases(self._begin_phase)
        with ExitStack() as stack:
            with phases("lease"):
                lease = stack.enter_context(acquire_lease(self.repository, self.holder, self.settings, self._wait))
            stack.enter_context(heartbeat(lease, self.settings.lease / _RENEWALS))
            # The writer is opened after the lease was acquired, so that it fences off the writer of the former holder,
            # and before the check, so that any later holder of the lease opens a later writer.
            writer = self.open_writer()
            lease.check()
            publisher = Publisher(
                repository=self.repository,
                lease=lease,
                writer=writer,
                assigner=self.assigner,
                settings=self.settings,
                phases=phases,
                wait=self._wait,
                log=self._log,
            )
            done = recluster(self.repository, publisher, self.clustering, self.settings, phases=phases)
        for phase, seconds in phases.seconds.items():
            metrics.RECLUSTER_SECONDS.labels(phase).set(seconds)
        return done

    def _log(self, event: str, details: Mapping[str, object]) -> None:
        structlog.get_logger().info(event, **details)

    def _update_metrics(self) -> Generation | None:
        """Set the metrics of the generations, and return the active one; raises `Transient`."""
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
        active = self._update_metrics()
        return active.created_at + period if active and active.created_at else datetime.now(UTC)

    def _begin_phase(self, phase: str) -> None:
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
            if self.stop.wait(min(left, _POLL_INTERVAL)):
                raise Stopped

    def _report(self, done: ReclusterResult) -> None:
        log = structlog.get_logger()
        generation = done.generation
        metrics.RECLUSTERINGS.labels(done.outcome).inc()
        with suppress(Transient):
            self._update_metrics()
        if generation and done.outcome is ReclusterOutcome.PUBLISHED:
            metrics.CLUSTERED.set(generation.counts["faces"])
            metrics.PEOPLE.set(generation.counts["clusters"])
        number = generation.number if generation else None
        counts = dict(generation.counts) if generation else {}
        write = log.error if done.outcome is ReclusterOutcome.HELD else log.info
        write(done.outcome.value, generation=number, reason=done.reason, **counts)
