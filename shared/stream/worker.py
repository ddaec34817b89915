"""The worker: the loop that all streaming services share.

    consume -> decode -> process -> encode -> one transaction: produce, offsets, commit

If the processor prefetches, the worker consumes the next batch before it processes this one. The records of the next
batch are not done: only processed records are committed, and after an error the prefetched ones are consumed again.

The kind of an error (`shared/errors.py`) decides what follows. After a `Transient` error the worker tries the same
batch again until it succeeds. If a batch contains a `Poison` record, the worker processes each record of the batch
alone, and the failing one becomes a dead letter in the same transaction as the results of the others. `Fatal` ends the
process. Any other exception counts as poison, because a defect must not stop the stream; too many dead letters within
a minute do stop it, because a broken release must not move a whole topic to the dead letters.

`crash_tries.py` finds records that end the process without an exception: such a record is processed alone, and given up
after a number of tries.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Annotated, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import Deadly, Fatal, Transient, Undecided
from shared.metrics import timed
from shared.ports.streams import ConsumedRecord, ProducedRecord, RecordStream
from shared.settings import DefaultText, Settings, Unit
from shared.stream.crash_tries import CrashTries
from shared.stream.dead_letters import DeadLetterRate, dead_letter
from shared.stream.observer import Observer
from shared.stream.processor import Processor

_NO_RECORDS: Sequence[ConsumedRecord] = ()
_Results = tuple[Sequence[ProducedRecord], list[tuple[ConsumedRecord, Exception]]]
"""Output records, and each record that cannot be processed with the reason."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The loop of one service, which `service` names in dead letters. `stop` ends it after the current batch."""

    service: str
    stream: RecordStream
    processor: Processor
    settings: WorkerSettings
    observer: Observer
    stop: Event

    def run(self) -> None:
        """Process records until `stop` is set; raises `Fatal`. Leaves the consumer group in both cases."""
        next_batch, attempt = _NO_RECORDS, 0
        letters = DeadLetterRate(self.settings.dead_letters_a_minute)
        tries = CrashTries(self.stream, self.settings.tries, self.observer.unfinished)
        try:
            self._start()
            while not self.stop.is_set():
                self.observer.looped()
                try:
                    next_batch, has_processed = self._round(next_batch, letters, tries)
                    # A round without records does not reset the pause: after `rewind`, records take a moment to return.
                    attempt = 0 if has_processed else attempt
                except Transient as error:
                    next_batch = _NO_RECORDS
                    attempt += 1
                    self._pause(error, attempt)
                    if isinstance(error, Undecided):
                        self._start()
        finally:
            self.stream.close()

    def _start(self) -> None:
        def start() -> None:
            self.processor.start()
            self.observer.started()

        self._repeat(start)

    def _round(
        self, prefetched: Sequence[ConsumedRecord], letters: DeadLetterRate, tries: CrashTries
    ) -> tuple[Sequence[ConsumedRecord], bool]:
        """Process `prefetched`, filled up with records that have arrived since.

        Return the next batch, and whether there was anything to process.
        """
        records, next_batch = prefetched, _NO_RECORDS
        try:
            # There may have been few records when `prefetched` was consumed.
            if missing := self.settings.batch - len(prefetched):
                more = self.stream.consume(missing, 0 if prefetched else self.settings.wait)
                records = [*self.stream.still_assigned(prefetched), *more]
            if not records:
                self.processor.idle()
                return _NO_RECORDS, False
            records, next_batch = tries.select(records)
            deadly = tries.reason_to_give_up(records[0])
            is_noted = deadly is None and tries.note_begin(records)
            if self.processor.prefetches and not deadly:
                self._prefetch(records)
                # Between the note of a begin and its end, no partition may be assigned or revoked: no `consume` then.
                if not is_noted and not next_batch:
                    next_batch = self.stream.consume(self.settings.batch, 0)
                    records = self.stream.still_assigned(records)
                    self._prefetch([*records, *tries.prefetchable(next_batch)])
            if records:
                dead = self._process(records, deadly)
                tries.committed(records)
                next_batch = self._after_commit(records, next_batch)
                letters.add(dead)
        except Exception as error:
            tries.withdraw()
            if isinstance(error, Transient):
                self._release([*self.stream.still_assigned(records), *next_batch])
            raise
        return next_batch, bool(records)

    def _prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        if self.processor.prefetches:
            with suppress(Exception):
                self.processor.prefetch(records)

    def _process(self, records: Sequence[ConsumedRecord], deadly: Deadly | None) -> int:
        """Process and commit records; return how many of them became dead letters.

        `deadly`: why the only one of these records is given up, None if it is not.
        """
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

    def _after_commit(
        self, records: Sequence[ConsumedRecord], next_batch: Sequence[ConsumedRecord]
    ) -> Sequence[ConsumedRecord]:
        """Have the processor finish committed records; return the next batch, empty if it was released."""
        try:
            self.processor.committed(records)
        except Transient as error:
            self._release(next_batch)
            self._pause(error, 1)
            self._repeat(lambda: self.processor.committed(records), 1)
            return _NO_RECORDS
        return next_batch

    def _release(self, records: Sequence[ConsumedRecord]) -> None:
        """Give records back, to consume them again: while this member waits, a partition may be assigned elsewhere."""
        self.stream.rewind(records)
        self._prefetch(_NO_RECORDS)

    def _repeat(self, work: Callable[[], None], attempt: int = 0) -> None:
        """Do `work` until it raises no `Transient`, or `stop` is set."""
        while not self.stop.is_set() or not attempt:
            try:
                work()
            except Transient as error:
                attempt += 1
                self._pause(error, attempt)
            else:
                return

    def _results(self, records: Sequence[ConsumedRecord]) -> _Results:
        """Process all records together, or each alone if that fails because one of them is poison."""
        try:
            return self.processor.process(records), []
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  any other exception counts as poison: see the top of this file
            if len(records) == 1:
                return [], [(records[0], error)]
        produced: list[ProducedRecord] = []
        dead: list[tuple[ConsumedRecord, Exception]] = []
        for record in records:
            results, failed = self._results([record])
            produced += results
            dead += failed
        return produced, dead

    def _given_up(self, record: ConsumedRecord, reason: Deadly) -> _Results:
        try:
            return self.processor.give_up(record, reason), []
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  as in `_results`
            return [], [(record, error)]

    def _pause(self, error: Transient, attempt: int) -> None:
        """Wait before the next attempt, longer each time; with jitter, so that replicas do not all retry at once."""
        longest = min(self.settings.longest_retry, self.settings.first_retry * 2 ** min(attempt - 1, 30))
        pause = longest * random.uniform(0.5, 1)  # noqa: S311  no secret depends on it
        self.observer.retrying(error, attempt, pause)
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self.stop.is_set():
            self.observer.looped()
            self.stream.idle(min(left, 1.0))
