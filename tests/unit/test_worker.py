"""The worker's laws, on a stream in memory: nothing lost, nothing twice, the culprit alone in the dead letters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.topics import DEAD_LETTERS, MAX_RECORD_BYTES
from shared.errors import Deadly, Fatal, Poison, Transient, Undecided
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.crash_tries import Tries
from shared.stream.dead_letters import LEFT_OUT, dead_letter
from shared.stream.worker import Worker, WorkerSettings
from tests.support.processors import Functions


@dataclass
class MemoryStream:
    """A topic of one partition, a committed offset and what was written."""

    values: Sequence[bytes]
    stop: Event
    committed: int = 0
    position: int = 0
    written: list[ProducedRecord] = field(default_factory=list)
    failing_commits: int = 0
    undecided_commits: list[bool] = field(default_factory=list)  # whether those have happened
    notes: list[dict[tuple[str, int], str]] = field(default_factory=list)
    closed: bool = False

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        assert wait >= 0
        taken = self.values[self.position : self.position + limit]
        start = self.position
        self.position += len(taken)
        if not taken:
            self.stop.set()
        now = datetime.now(UTC)
        return [
            ConsumedRecord("in", 0, start + place, b"key", value, {"x": b"y"}, now) for place, value in enumerate(taken)
        ]

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        if self.failing_commits:
            self.failing_commits -= 1
            msg = "the broker is away"
            raise Transient(msg)
        assert consumed[0].offset == self.committed, "records were passed over or taken twice"
        outcome = self.undecided_commits.pop() if self.undecided_commits else None
        if outcome is not False:
            self.committed = consumed[-1].offset + 1
            self.written += produced
        if outcome is not None:
            msg = "the broker did not answer"
            raise Undecided(msg)

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        self.position = max(self.committed, min((record.offset for record in consumed), default=self.position))

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        return consumed

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        self.notes.append(dict(texts))

    def noted(self, topic: str, partition: int) -> str | None:
        assert (topic, partition) == ("in", 0)
        return None

    def idle(self, seconds: float) -> None:
        assert seconds > 0

    def is_assigned(self) -> bool:
        return True

    def is_committed(self, record_id: str) -> bool:
        return int(record_id.rpartition("@")[2]) < self.committed

    def lag(self) -> dict[tuple[str, int], int]:
        return {("in", 0): len(self.values) - self.position}

    def close(self) -> None:
        self.closed = True


@dataclass
class Notes:
    """An observer that remembers."""

    retries: list[int] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    batches: int = 0
    starts: int = 0
    found: list[tuple[str, int, int]] = field(default_factory=list)
    abandoned: list[bytes] = field(default_factory=list)

    def started(self) -> None:
        self.starts += 1

    def batch_done(
        self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord], seconds: float
    ) -> None:
        assert consumed
        assert seconds >= 0
        assert len(produced) <= len(consumed)
        self.batches += 1

    def retrying(self, error: Transient, attempt: int, pause: float) -> None:
        assert str(error)
        assert pause > 0
        self.retries.append(attempt)

    def dead_lettered(self, record: ConsumedRecord, error: Exception) -> None:
        assert str(error)
        self.dead.append(record.value or b"")

    def unfinished(self, record: ConsumedRecord, tries: Tries) -> None:
        self.found.append((record.record_id, tries.together, tries.alone))

    def given_up(self, record: ConsumedRecord, reason: Deadly) -> None:
        assert str(reason)
        self.abandoned.append(record.value or b"")

    def looped(self) -> None:
        pass


def copied(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
    """A step that refuses what begins with `bad`."""
    for record in records:
        if record.value is not None and record.value.startswith(b"bad"):
            msg = "this one is bad\nand has a second line"
            raise Poison(msg)
    return [ProducedRecord("out", record.key or b"", record.value, {}) for record in records]


def working(
    values: Sequence[bytes],
    step: Callable[[Sequence[ConsumedRecord]], Sequence[ProducedRecord]] = copied,
    *,
    batch: int = 4,
    dead_letters_a_minute: int = 1000,
    failing_commits: int = 0,
) -> tuple[Worker, MemoryStream, Notes]:
    stop = Event()
    stream, notes = MemoryStream(values, stop, failing_commits=failing_commits), Notes()
    settings = WorkerSettings(
        batch=batch, first_retry=1e-6, longest_retry=1e-5, dead_letters_a_minute=dead_letters_a_minute
    )
    worker = Worker(
        service="copier",
        stream=stream,
        processor=Functions(process=step),
        settings=settings,
        observer=notes,
        stop=stop,
    )
    return worker, stream, notes


def with_functions(worker: Worker, **functions: Any) -> Worker:
    """Return the worker, whose processor does these functions as well."""
    assert isinstance(worker.processor, Functions)
    return replace(worker, processor=replace(worker.processor, **functions))


@given(
    st.lists(st.sampled_from([b"good", b"bad", b""]), max_size=30),
    st.integers(1, 7),
    st.integers(0, 3),
)
def test_every_record_is_written_once_or_in_the_dead_letters_whatever_fails(
    values: list[bytes], batch: int, failing_commits: int
) -> None:
    worker, stream, notes = working(values, batch=batch, failing_commits=failing_commits)
    worker.run()
    assert [record.value for record in stream.written if record.topic == "out"] == [
        value for value in values if value != b"bad"
    ]
    dead = [record for record in stream.written if record.topic == DEAD_LETTERS.name]
    assert [int(record.headers["dead_letter_offset"]) for record in dead] == [
        place for place, value in enumerate(values) if value == b"bad"
    ]
    assert notes.dead == [b"bad"] * len(dead)
    assert stream.committed == len(values)
    assert not stream.notes, "nothing is noted where this member has committed"
    assert stream.closed


def test_a_dead_letter_has_the_original_bytes_and_says_where_they_came_from_and_why() -> None:
    worker, stream, _ = working([b"bad one"])
    worker.run()
    (letter,) = stream.written
    assert (letter.key, letter.value) == (b"key", b"bad one")
    headers = dict(letter.headers)
    assert datetime.fromisoformat(headers.pop("dead_letter_time").decode()).tzinfo
    assert headers == {
        "x": b"y",
        "dead_letter_topic": b"in",
        "dead_letter_partition": b"0",
        "dead_letter_offset": b"0",
        "dead_letter_service": b"copier",
        "dead_letter_error": b"Poison",
        "dead_letter_message": b"this one is bad",
    }


def test_a_transient_error_is_retried_with_the_same_records_for_as_long_as_it_takes() -> None:
    failures = iter([True] * 50)

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        if next(failures, False):
            msg = "the database is away"
            raise Transient(msg)
        return copied(records)

    worker, stream, notes = working([b"one", b"two"], step)
    worker.run()
    assert [record.value for record in stream.written] == [b"one", b"two"]
    assert notes.retries == list(range(1, 51))
    assert notes.batches == 1


def test_the_pauses_grow_also_where_records_that_failed_take_a_moment_to_come_again() -> None:
    failures = iter([True] * 6)

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        if next(failures, False):
            msg = "the database is away"
            raise Transient(msg)
        return copied(records)

    worker, stream, notes = working([b"one", b"two"], step, batch=2)
    consume, rounds = stream.consume, iter(range(100))

    def every_second_round(limit: int, wait: float) -> Sequence[ConsumedRecord]:
        return () if wait and next(rounds) % 2 else consume(limit, wait)

    stream.consume = every_second_round  # type: ignore[method-assign]
    worker.run()
    assert notes.retries == [1, 2, 3, 4, 5, 6]
    assert [record.value for record in stream.written] == [b"one", b"two"]


def test_a_defect_costs_one_record_and_not_the_stream() -> None:
    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        return [ProducedRecord("out", b"", b"%d" % (1 // (len(record.value or b"") - 1)), {}) for record in records]

    worker, stream, notes = working([b"aa", b"a", b"aa"], step)
    worker.run()
    assert [record.topic for record in stream.written] == ["out", "out", DEAD_LETTERS.name]
    assert notes.dead == [b"a"]


def test_more_dead_letters_than_a_broken_message_explains_end_the_process() -> None:
    worker, stream, _ = working([b"bad"] * 100, dead_letters_a_minute=10)
    with pytest.raises(Fatal, match="at most 10 allowed"):
        worker.run()
    assert stream.closed
    assert stream.committed == 12, "what was written to the dead letters is committed, the rest waits for the repair"


def test_preparation_comes_before_the_first_record_and_is_repeated_until_it_succeeds() -> None:
    failures = iter([True] * 3)
    worker, stream, notes = working([b"one"])

    def prepare() -> None:
        assert stream.position == 0
        if next(failures, False):
            msg = "the bucket is away"
            raise Transient(msg)

    with_functions(worker, start=prepare).run()
    assert notes.retries == [1, 2, 3]
    assert [record.value for record in stream.written] == [b"one"]


def test_what_follows_a_commit_gets_each_record_once_and_is_repeated_until_it_succeeds() -> None:
    failures = iter([True, True, False, True])
    done: list[bytes | None] = []
    worker, stream, _ = working([b"one", b"bad", b"three"], batch=2, failing_commits=2)

    def committed(records: Sequence[ConsumedRecord]) -> None:
        assert stream.committed == records[-1].offset + 1
        if next(failures, False):
            msg = "the bucket is away"
            raise Transient(msg)
        done.extend(record.value for record in records)

    with_functions(worker, committed=committed).run()
    assert done == [b"one", b"bad", b"three"]


@given(st.lists(st.booleans(), max_size=4))
def test_after_a_commit_that_may_have_happened_unseen_it_is_prepared_for_again_and_nothing_is_lost_or_doubled(
    undecided: list[bool],
) -> None:
    worker, stream, _ = working([b"one", b"two", b"three"], batch=1)
    stream.undecided_commits = undecided[:]
    seen: list[int] = []
    with_functions(worker, start=lambda: seen.append(stream.committed)).run()
    assert [record.value for record in stream.written] == [b"one", b"two", b"three"]
    assert len(seen) == 1 + len(undecided) - len(stream.undecided_commits)
    assert seen == sorted(seen)


def test_a_fatal_error_ends_the_process_and_commits_nothing() -> None:
    def step(_records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        msg = "the model is gone"
        raise Fatal(msg)

    worker, stream, _ = working([b"one"], step)
    with pytest.raises(Fatal, match="model"):
        worker.run()
    assert (stream.committed, stream.written, stream.closed) == (0, [], True)


def test_what_is_done_in_idle_moments_waits_for_no_record_and_may_fail_for_a_while() -> None:
    failures = iter([True, True])
    seen: list[int] = []
    worker, stream, notes = working([b"one", b"two"], batch=1)

    def idle() -> None:
        if next(failures, False):
            stream.stop.clear()
            msg = "the database is away"
            raise Transient(msg)
        seen.append(stream.committed)

    with_functions(worker, idle=idle).run()
    assert notes.retries == [1, 2]
    assert seen == [2]


@pytest.mark.parametrize(
    ("key", "value", "header"),
    [(b"k", bytes(MAX_RECORD_BYTES), b""), (bytes(MAX_RECORD_BYTES), b"v", b""), (b"k", b"v", bytes(MAX_RECORD_BYTES))],
)
def test_a_letter_that_no_topic_would_take_goes_without_its_bytes_and_says_so(
    key: bytes, value: bytes, header: bytes
) -> None:
    record = ConsumedRecord("in", 3, 7, key, value, {"x": header}, datetime.now(UTC))
    letter = dead_letter("copier", record, Poison("why"))
    size = len(letter.key) + sum(len(name) + len(text) for name, text in letter.headers.items())
    assert (letter.value, size < 2000) == (None, True)
    assert (letter.headers["dead_letter_topic"], letter.headers["dead_letter_offset"]) == (b"in", b"7")
    assert letter.headers[LEFT_OUT].endswith(b" bytes: expected at most 8,453,120 with these headers")


def test_a_reason_that_utf8_cannot_hold_is_told_all_the_same() -> None:
    record = ConsumedRecord("in", 0, 0, b"k", b"v", {}, datetime.now(UTC))
    assert dead_letter("copier", record, Poison("a\ud800")).headers["dead_letter_message"] == rb"a\ud800"
