"""The lease: only one process at a time may make and publish generations.

The lease is one document, written by compare-and-set. A process that acquires it gets a fencing number that is higher
than all before, and renews the lease regularly.

- Safety depends on the number, never on a clock. As soon as a process acquires the lease, the activation of a
  generation refuses lower numbers, and the Kafka writer that is opened afterwards fences off the earlier one.
- Time only decides how soon another process may try. The document states until when it is valid by the clock of its
  holder. It has expired if that is longer ago than clocks may differ. Otherwise, another process watches it for the
  duration of the lease by its own clock, and acquires it if it was not renewed in the meantime (Gray and Cheriton,
  "Leases: an efficient fault-tolerant mechanism for distributed file cache consistency", 1989).
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
from shared.ports.lease import LeaseStore

Wait = Callable[[float], object]
"""Waits for some seconds, or less if the process is asked to stop."""

_POLL_INTERVAL = 1.0  # seconds


class AcquiredLease:
    """The lease of this process; safe for use by several threads if its store is."""

    def __init__(self, store: LeaseStore, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._lock = Lock()

    @property
    def number(self) -> int:
        """The fencing number."""
        return self._lease.number

    def check(self) -> None:
        """Raise `Fatal` if another process has the lease, `Transient` if the store does not answer."""
        found = self._store.lease()
        if found is None or found.number != self.number:
            msg = f"the lease went to {found.holder if found else None}, because this process did not renew it in time"
            raise Fatal(msg)

    def renew(self) -> None:
        """Extend the lease; raises as `check` does."""
        with self._lock:
            expires_at = _from_now(self._lease.seconds)
            lease = replace(self._lease, renewals=self._lease.renewals + 1, expires_at=expires_at)
            if not self._store.replace_lease(self._lease, lease):
                self.check()
                # An earlier renewal of this process was written although no answer came.
                found = self._store.lease()
                lease = found if found is not None else lease
            self._lease = lease

    def release(self) -> None:
        """Let other processes acquire the lease at once, if this process still has it; raises `Transient`."""
        with self._lock:
            free = replace(self._lease, holder=None, renewals=self._lease.renewals + 1)
            self._store.replace_lease(self._lease, free)


@contextmanager
def acquire_lease(
    store: LeaseStore, holder: str, settings: JobSettings, wait: Wait = time.sleep
) -> Iterator[AcquiredLease]:
    """Acquire the lease for the time of the context; raises `Busy` if another process has it and renews it.

    `holder` names this process; a lease of the same holder is acquired at once. Raises `Transient`.
    """
    lease = AcquiredLease(store, _acquire(store, holder, settings, wait))
    try:
        yield lease
    finally:
        with suppress(Transient):
            lease.release()


@contextmanager
def heartbeat(lease: AcquiredLease, every: float) -> Iterator[None]:
    """Renew the lease in a thread of its own until the context ends. `every`: seconds between two renewals."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(every):
            try:
                lease.renew()
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


def _acquire(store: LeaseStore, holder: str, settings: JobSettings, wait: Wait) -> Lease:
    watched: Lease | None = None
    since = time.monotonic()
    while True:
        found = store.lease()
        if found is None or found.holder in {None, holder} or _is_expired(found, settings.clock_skew):
            free = True
        elif watched is None or (watched.number, watched.renewals) == (found.number, found.renewals):
            watched = watched or found
            free = time.monotonic() - since > found.seconds
        else:
            msg = f"{found.holder} is at work and has the lease; wait for it to finish, or end it"
            raise Busy(msg)
        if free:
            number = found.number + 1 if found else 1
            lease = Lease(
                number=number,
                holder=holder,
                renewals=0,
                seconds=settings.lease,
                expires_at=_from_now(settings.lease),
            )
            if store.replace_lease(found, lease):
                return lease
        else:
            wait(_POLL_INTERVAL)


def _is_expired(lease: Lease, clock_skew: float) -> bool:
    return datetime.now(UTC) > lease.expires_at + timedelta(seconds=clock_skew)


def _from_now(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
