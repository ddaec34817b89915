"""The worker: one loop for all streaming services.

    consume -> decode -> step -> encode -> one transaction: produce, offsets, commit

Where a service has something to do ahead (reading objects, above all), the batch after the present one is consumed
before the step runs on this one. It belongs to nobody yet: only what the step has done is committed, and what was
taken ahead is consumed anew after an error.

What fails is told apart by `shared.errors`: a `Transient` error is retried with the same batch for as long as it
takes; a batch with a `Poison` message in it is run again one by one, and the culprit goes to the dead letters in the
same transaction as the results of the others; `Fatal` ends the process. An exception that nobody foresaw is poison:
a defect must not stop the stream, and more than a few of them a minute do, because a broken release must not drain
the topic into the dead letters.

A record that ends the process itself, without an error, is found by `crash_tries.py`: it is begun alone, and given up
after so many tries.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Annotated, Protocol, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import Deadly, Fatal, Transient, Undecided
from shared.metrics import timed
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.settings import DefaultText, Settings, Unit
from shared.stream.crash_tries import Caution, Tries
from shared.stream.dead_letters import dead_letter

Step = Callable[[Sequence[ConsumedRecord]], Sequence[ProducedRecord]]
"""A service's job on records. Raises `Transient`, `Poison` or `Fatal`; calling it again must change nothing."""

Ahead = Callable[[Sequence[ConsumedRecord]], None]
"""Begins work on the records that are held now, this batch's and the next one's, and forgets what it has begun on any
others. Does not wait for anything. What it raises is passed over: what fails there fails again in the step, where one
record can be told from the others."""

GiveUp = Callable[[ConsumedRecord, Deadly], Sequence[ProducedRecord]]
"""Says what became of a record that ended its process each time it was begun; does nothing of what the step does.
Raises as the step does."""


def nothing(*_: object) -> None:
    """Do nothing."""


def refused(_record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:
    """Give a record up as a dead letter; raises `reason`."""
    raise reason


_NONE: Sequence[ConsumedRecord] = ()


class WorkerSettings(Settings):
    """Batches, retries and dead letters of a service."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_WORKER_")

    batch: Annotated[
        int,
        Unit("records"),
        DefaultText("detector 8 for each process; quality 64; embedder 64; assigner 1000"),
        Field(ge=1, le=10_000, description="Largest number of records that are processed in one batch."),
    ] = 16
    wait: Annotated[
        float,
        Unit("seconds"),
        Field(gt=0, le=60, description="Longest time in seconds to wait for the first record of a batch."),
    ] = 0.2
    first_retry: Annotated[
        float,
        Unit("seconds"),
        Field(
            gt=0,
            description="Pause in seconds before a failed batch is tried again. It doubles with each further attempt.",
        ),
    ] = 0.2
    longest_retry: Annotated[
        float, Unit("seconds"), Field(gt=0, description="Longest pause in seconds between two attempts at a batch.")
    ] = 30.0
    dead_letters_a_minute: Annotated[
        int,
        Unit("records"),
        Field(
            ge=0,
            description="Largest number of records that may become dead letters within a minute. If there are more, the"
            " process ends.",
        ),
    ] = 20
    tries: Annotated[
        int,
        Unit("attempts"),
        Field(
            ge=1,
            le=100,
            description="Number of times that a record may end the process while it is processed alone. After that, the"
            " service gives the record up.",
        ),
    ] = 3

    @classmethod
    def preferring(cls, batch: int) -> Self:
        """Return the settings with this size of a batch, unless another one is configured."""
        configured = cls()
        return configured if "batch" in configured.model_fields_set else cls(batch=batch)


class Observer(Protocol):
    """What a worker tells of its work, for logs and metrics. None of it may raise."""

    def batch_done(
        self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord], seconds: float
    ) -> None:
        """A batch is committed."""
        ...

    def retrying(self, error: Transient, attempt: int, pause: float) -> None:
        """A batch failed for a reason that may pass; it will be tried again after `pause` seconds."""
        ...

    def dead_lettered(self, record: ConsumedRecord, error: Exception) -> None:
        """A record cannot be processed and goes to the dead letters."""
        ...

    def unfinished(self, record: ConsumedRecord, tries: Tries) -> None:
        """A process before this one began with a record, alone or as the first of several, and did not come back."""
        ...

    def given_up(self, record: ConsumedRecord, reason: Deadly) -> None:
        """A record is begun no more."""
        ...

    def looped(self) -> None:
        """The loop is alive."""
        ...


@dataclass(frozen=True, slots=True)
class Worker:
    """One service's loop. `service` names it in the dead letters; `stop` ends it after the batch at hand.

    `prepare` runs before the first batch, `committed` after each one with the records that are done; both are repeated
    while they raise `Transient`. What is left undone by a process that was killed is for `prepare` to find; so it runs
    again after a commit that may have happened unseen. `idle` runs whenever there was nothing to consume. `give_up`
    says what becomes of a record that has ended its process too often.
    """

    service: str
    stream: RecordStream
    step: Step
    settings: WorkerSettings
    observer: Observer
    stop: Event
    prepare: Callable[[], None] = nothing
    committed: Callable[[Sequence[ConsumedRecord]], None] = nothing
    ahead: Ahead | None = None
    idle: Callable[[], None] = nothing
    give_up: GiveUp = refused

    def run(self) -> None:
        """Work until `stop` is set; raises `Fatal`. The group is left in either case."""
        buried: deque[float] = deque()
        attempt = 0
        coming = _NONE
        caution = Caution(self.stream, self.settings.tries, self.observer.unfinished)
        try:
            self._persist(self.prepare)
            while not self.stop.is_set():
                self.observer.looped()
                try:
                    coming, is_done = self._once(coming, buried, caution)
                    # A round without a record ends no failure: after a rewind records take a moment to come again.
                    attempt = 0 if is_done else attempt
                except Transient as error:
                    coming = _NONE
                    attempt += 1
                    self._pause(error, attempt)
                    if isinstance(error, Undecided):
                        self._persist(self.prepare)
        finally:
            self.stream.close()

    def _once(
        self, coming: Sequence[ConsumedRecord], buried: deque[float], caution: Caution
    ) -> tuple[Sequence[ConsumedRecord], bool]:
        """Process `coming`, and what else there is to consume by now.

        Return what was left, or consumed ahead, and whether there was anything to process.
        """
        records, following = coming, _NONE
        try:
            # Few may have been there when `coming` was taken: what came while the last batch was done fills it up.
            if missing := self.settings.batch - len(coming):
                more = self.stream.consume(missing, 0 if coming else self.settings.wait)
                records = [*self.stream.still_assigned(coming), *more]
            if not records:
                self.idle()
                return _NONE, False
            records, following = caution.choose(records)
            deadly = caution.condemned(records)
            noted = deadly is None and caution.begin(records)
            if self.ahead and not deadly:
                self._begin(records)
                # What was noted is begun and ended without a partition coming or going in between.
                if not noted and not following:
                    following = self.stream.consume(self.settings.batch, 0)
                    records = self.stream.still_assigned(records)
                    self._begin([*records, *caution.plain(following)])
            if records:
                dead = self._process(records, deadly)
                caution.done(records)
                following = self._settled(records, following)
                self._check_rate(buried, dead)
        except Exception as error:
            caution.failed()
            if isinstance(error, Transient):
                self._let_go([*self.stream.still_assigned(records), *following])
            raise
        return following, bool(records)

    def _begin(self, records: Sequence[ConsumedRecord]) -> None:
        if self.ahead:
            with suppress(Exception):
                self.ahead(records)

    def _process(self, records: Sequence[ConsumedRecord], deadly: Deadly | None) -> int:
        """Commit records with what becomes of them; return how many of them went to the dead letters."""
        started = time.monotonic()
        produced, dead = self._given_up(records[0], deadly) if deadly else self._results(records)
        letters = [dead_letter(self.service, record, error) for record, error in dead]
        with timed("commit"):
            self.stream.commit(records, [*produced, *letters])
        self.observer.batch_done(records, produced, time.monotonic() - started)
        if deadly:
            self.observer.given_up(records[0], deadly)
        for record, error in dead:
            self.observer.dead_lettered(record, error)
        return len(dead)

    def _settled(
        self, records: Sequence[ConsumedRecord], following: Sequence[ConsumedRecord]
    ) -> Sequence[ConsumedRecord]:
        """Do what is to be done of committed records; return what is kept of those that were consumed ahead."""
        try:
            self.committed(records)
        except Transient as error:
            self._let_go(following)
            self._pause(error, 1)
            self._persist(lambda: self.committed(records), 1)
            return _NONE
        return following

    def _let_go(self, records: Sequence[ConsumedRecord]) -> None:
        """Have records consumed anew rather than keep them: while this member waits, a partition may go elsewhere."""
        self.stream.rewind(records)
        self._begin(_NONE)

    def _persist(self, work: Callable[[], None], attempt: int = 0) -> None:
        while not self.stop.is_set() or not attempt:
            try:
                work()
            except Transient as error:
                attempt += 1
                self._pause(error, attempt)
            else:
                return

    def _results(
        self, records: Sequence[ConsumedRecord]
    ) -> tuple[Sequence[ProducedRecord], list[tuple[ConsumedRecord, Exception]]]:
        """Run the step over all records, or over each alone where one of them is poison."""
        try:
            return self.step(records), []
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  a defect is poison too: see the top of this file
            if len(records) == 1:
                return [], [(records[0], error)]
        produced: list[ProducedRecord] = []
        dead: list[tuple[ConsumedRecord, Exception]] = []
        for record in records:
            results, culprits = self._results([record])
            produced += results
            dead += culprits
        return produced, dead

    def _given_up(
        self, record: ConsumedRecord, reason: Deadly
    ) -> tuple[Sequence[ProducedRecord], list[tuple[ConsumedRecord, Exception]]]:
        try:
            return self.give_up(record, reason), []
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  as in `_results`
            return [], [(record, error)]

    def _check_rate(self, buried: deque[float], more: int) -> None:
        now = time.monotonic()
        buried.extend([now] * more)
        while buried and buried[0] < now - 60:
            buried.popleft()
        if len(buried) > self.settings.dead_letters_a_minute:
            msg = (
                f"{len(buried)} dead letters within a minute, at most {self.settings.dead_letters_a_minute} allowed;"
                " look at them with `facestream dead-letters list`"
            )
            raise Fatal(msg)

    def _pause(self, error: Transient, attempt: int) -> None:
        """Wait before the next attempt, longer each time; with jitter, so that replicas do not come all at once."""
        longest = min(self.settings.longest_retry, self.settings.first_retry * 2 ** min(attempt - 1, 30))
        pause = longest * random.uniform(0.5, 1)  # noqa: S311  nothing to guess here
        self.observer.retrying(error, attempt, pause)
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self.stop.is_set():
            self.observer.looped()
            self.stream.idle(min(left, 1.0))
