"""The lease: of many who could make and publish generations, one does.

It is one document, written by compare-and-set. Whoever takes it gets a number higher than all before, and renews it.
Two things are apart:

- Safety hangs on the number, never on a clock. From the moment that somebody takes the lease, the swap of the active
  generation refuses lower numbers, and the writer to Kafka that is opened after that shuts out the one before it.
- Time only says how soon somebody else may try. The document says until when it holds by the clock of its holder. It
  counts as expired at once where that is longer ago than clocks may differ; else whoever wants it watches it for as
  long as it lasts, by its own clock, and takes it if it was not renewed meanwhile (Gray and Cheriton, "Leases: an
  efficient fault-tolerant mechanism for distributed file cache consistency", 1989).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread

import structlog

from services.reclusterer.settings import JobSettings
from shared.domain.records import Lease
from shared.errors import Busy, Fatal, Transient
from shared.ports.repository import FaceRepository

Wait = Callable[[float], object]
"""Waits for some seconds, or for less where the process is told to end."""

_LOOK_EVERY = 1.0  # seconds


class Hold:
    """The lease in hand; safe for threads where its repository is."""

    def __init__(self, repository: FaceRepository, lease: Lease) -> None:
        self._repository = repository
        self._lease = lease
        self._lock = Lock()

    @property
    def number(self) -> int:
        """The fencing number."""
        return self._lease.number

    def check(self) -> None:
        """Raise `Fatal` where somebody else has the lease, `Transient` where nobody answers."""
        found = self._repository.lease()
        if found is None or found.number != self.number:
            msg = f"the lease went to {found.holder if found else None}, because this process was silent for too long"
            raise Fatal(msg)

    def renew(self) -> None:
        """Say that this process is alive; raises as `check` does."""
        with self._lock:
            expires_at = _from_now(self._lease.seconds)
            lease = replace(self._lease, renewals=self._lease.renewals + 1, expires_at=expires_at)
            if not self._repository.replace_lease(self._lease, lease):
                self.check()
                # An earlier renewal of ours was written although no answer came.
                found = self._repository.lease()
                lease = found if found is not None else lease
            self._lease = lease

    def release(self) -> None:
        """Let others have the lease at once, if it is still ours; raises `Transient`."""
        with self._lock:
            free = replace(self._lease, holder=None, renewals=self._lease.renewals + 1)
            self._repository.replace_lease(self._lease, free)


@contextmanager
def taken(repository: FaceRepository, holder: str, settings: JobSettings, wait: Wait = time.sleep) -> Iterator[Hold]:
    """Take the lease for a while; raises `Busy` where another process has it and is alive, and `Transient`.

    A `holder` of the same name is this process in an earlier life.
    """
    hold = Hold(repository, _take(repository, holder, settings, wait))
    try:
        yield hold
    finally:
        with suppress(Transient):
            hold.release()


@contextmanager
def heartbeat(hold: Hold, every: float) -> Iterator[None]:
    """Renew the lease in a thread of its own, every so many seconds."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(every):
            try:
                hold.renew()
            except Transient as error:
                structlog.get_logger().warning("lease not renewed", reason=str(error))
            except Fatal as error:
                structlog.get_logger().error("lease lost", reason=str(error))
                return

    thread = Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _take(repository: FaceRepository, holder: str, settings: JobSettings, wait: Wait) -> Lease:
    watched: Lease | None = None
    since = time.monotonic()
    while True:
        found = repository.lease()
        if found is None or found.holder in {None, holder} or _is_long_over(found, settings.clock_skew):
            free = True
        elif watched is None or (watched.number, watched.renewals) == (found.number, found.renewals):
            watched = watched or found
            free = time.monotonic() - since > found.seconds
        else:
            msg = f"{found.holder} is at work and has the lease; wait for it to finish, or end it"
            raise Busy(msg)
        if free:
            number = found.number + 1 if found else 1
            lease = Lease(number, holder, 0, settings.lease, _from_now(settings.lease))
            if repository.replace_lease(found, lease):
                return lease
        else:
            wait(_LOOK_EVERY)


def _is_long_over(lease: Lease, clock_skew: float) -> bool:
    return datetime.now(UTC) > lease.expires_at + timedelta(seconds=clock_skew)


def _from_now(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
