"""The worker's laws where the next batch is taken before this one is done, and partitions come and go."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Fatal, Poison, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.worker import Worker, WorkerSettings
from tests.support.processors import Functions, Process
from tests.unit.test_worker import Notes, with_functions

PARTITIONS = 2


@dataclass
class SharedStream:
    """A topic that this member shares with another one, which works at once at whatever it is given.

    What `happens` in each call of `consume`: a partition goes to the other member, goes there and comes back within
    the same call, or comes back from there; the broker is away.
    """

    logs: Sequence[Sequence[bytes]]
    happens: Iterator[tuple[str, int]]
    failing_commits: Iterator[bool]
    stop: Event
    owned: set[int] = field(default_factory=lambda: set(range(PARTITIONS)))
    committed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    position: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    written: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    taken_away: set[int] = field(default_factory=set)
    waiting: list[tuple[str, int]] = field(default_factory=list)  # what happens while this member waits

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        assert wait >= 0
        self.taken_away.clear()
        what, partition = next(self.happens, ("nothing more", 0))
        if what.startswith("goes") and partition in self.owned:
            self.owned.remove(partition)
            self.taken_away.add(partition)
            self._other_member(partition)
        if "comes back" in what:
            self._return(partition)
        if what == "nothing more":
            for each in range(PARTITIONS):
                self._return(each)
        if what.endswith("the broker is away"):
            raise Transient(what)
        found: list[ConsumedRecord] = []
        for each in sorted(self.owned - self.taken_away):
            start = self.position[each]
            values = self.logs[each][start : start + limit - len(found)]
            self.position[each] += len(values)
            now = datetime.now(UTC)
            found += [ConsumedRecord("in", each, start + n, b"k", value, {}, now) for n, value in enumerate(values)]
        if what == "nothing more" and wait and not found:
            self.stop.set()
        return found

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        if next(self.failing_commits, False):
            msg = "the transaction was aborted"
            raise Transient(msg)
        for record in consumed:
            assert record.partition in self.owned, "committed for another member"
            assert record.offset == self.committed[record.partition], "passed over or done twice"
            self.committed[record.partition] += 1
        for made in produced:
            partition, value = (made.value or b"").split(b":")
            self.written[int(partition)].append(value)

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        for partition in self.owned:
            offsets = [record.offset for record in consumed if record.partition == partition]
            if offsets:
                self.position[partition] = min(offsets)

    def still_assigned(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        return [record for record in consumed if record.partition not in self.taken_away]

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        raise NotImplementedError

    def noted(self, topic: str, partition: int) -> str | None:
        assert topic == "in"
        assert partition in range(PARTITIONS)
        return None

    def idle(self, seconds: float) -> None:
        assert seconds > 0
        while self.waiting:
            what, partition = self.waiting.pop()
            if partition in self.owned:
                self.owned.remove(partition)
                self._other_member(partition)
            if "comes back" in what:
                self._return(partition)

    def is_assigned(self) -> bool:
        return bool(self.owned)

    def is_committed(self, record_id: str) -> bool:
        raise NotImplementedError

    def lag(self) -> dict[tuple[str, int], int]:
        return {}

    def close(self) -> None:
        self.owned.clear()

    def _other_member(self, partition: int) -> None:
        """It does two records."""
        start = self.committed[partition]
        for value in self.logs[partition][start : start + 2]:
            self.written[partition].append(value.split(b":")[1])
            self.committed[partition] += 1

    def _return(self, partition: int) -> None:
        if partition not in self.owned:
            self.owned.add(partition)
            self.position[partition] = self.committed[partition]


@dataclass
class Announced:
    """What a step was told of; every step works on what the last call named."""

    held: set[str] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        self.calls.append([record.record_id for record in records])
        self.held = {record.record_id for record in records}


def a_worker(
    stream: SharedStream,
    settings: WorkerSettings,
    step: Process,
    prefetch: Callable[[Sequence[ConsumedRecord]], None],
) -> Worker:
    return Worker(
        service="copier",
        stream=stream,
        processor=Functions(process=step, prefetch=prefetch, prefetches=True),
        settings=settings,
        observer=Notes(),
        stop=stream.stop,
    )


def working(stream: SharedStream, failing_steps: Iterator[bool], batch: int) -> tuple[Worker, Announced]:
    announced = Announced()

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        assert {record.record_id for record in records} <= announced.held
        if next(failing_steps, False):
            msg = "the store is away"
            raise Transient(msg)
        if any((record.value or b"").endswith(b"bad") for record in records):
            msg = "a bad one"
            raise Poison(msg)
        return [ProducedRecord("out", b"k", record.value, {}) for record in records]

    settings = WorkerSettings(batch=batch, first_retry=1e-6, longest_retry=1e-5, dead_letters_a_minute=1000)
    return a_worker(stream, settings, step, announced.prefetch), announced


HAPPENS = st.tuples(
    st.sampled_from(
        [
            *("nothing", "nothing", "goes", "comes back", "goes and comes back", "the broker is away"),
            "goes and comes back, and the broker is away",
        ]
    ),
    st.integers(0, PARTITIONS - 1),
)


@given(
    st.tuples(*[st.lists(st.sampled_from(["good", "bad"]), max_size=12)] * PARTITIONS),
    st.lists(HAPPENS, max_size=30),
    st.lists(st.booleans(), max_size=8),
    st.lists(st.booleans(), max_size=8),
    st.integers(1, 5),
)
def test_whatever_fails_and_whoever_has_the_partitions_every_record_is_done_once_and_in_its_order(
    kinds: tuple[list[str], ...],
    happens: list[tuple[str, int]],
    failing_commits: list[bool],
    failing_steps: list[bool],
    batch: int,
) -> None:
    logs = [
        [f"{partition}:{offset} {kind}".encode() for offset, kind in enumerate(of_partition)]
        for partition, of_partition in enumerate(kinds)
    ]
    stream = SharedStream(logs, iter(happens), iter(failing_commits), Event())
    worker, announced = working(stream, iter(failing_steps), batch)
    worker.run()
    for partition, log in enumerate(logs):
        assert stream.committed[partition] == len(log)
        wanted = [value.split(b":")[1] for value in log]
        assert sorted(stream.written[partition]) == sorted(wanted)
        good = [value for value in stream.written[partition] if value.endswith(b"good")]
        assert good == [value for value in wanted if value.endswith(b"good")]
    assert all(len(places) == len(set(places)) for places in announced.calls)


def a_stream(*values: bytes, happens: Sequence[tuple[str, int]] = ()) -> SharedStream:
    return SharedStream([values, ()], iter(happens), iter(()), Event())


def test_the_next_batch_is_announced_while_this_one_is_still_to_be_done() -> None:
    stream = a_stream(b"0:a", b"0:b", b"0:c")
    worker, announced = working(stream, iter(()), batch=2)
    worker.run()
    assert announced.calls[:2] == [["in/0@0", "in/0@1"], ["in/0@0", "in/0@1", "in/0@2"]]


@pytest.mark.parametrize("what", ["goes", "goes and comes back"])
def test_what_was_taken_ahead_is_let_go_where_the_work_after_a_commit_has_to_wait(what: str) -> None:
    stream, failures = a_stream(b"0:a", b"0:b", b"0:c", b"0:d"), iter([True])
    worker, announced = working(stream, iter(()), batch=1)
    done: list[int] = []

    def committed(records: Sequence[ConsumedRecord]) -> None:
        if next(failures, False):
            stream.waiting = [(what, 0)]
            msg = "the store is away"
            raise Transient(msg)
        done.extend(record.offset for record in records)

    with_functions(worker, committed=committed).run()
    assert stream.written[0] == [b"a", b"b", b"c", b"d"]
    assert done == [0, 3], "the other member has done those between"
    assert announced.calls[2] == []


def test_after_an_error_nothing_is_held_any_more() -> None:
    stream = a_stream(b"0:a", b"0:b")
    worker, announced = working(stream, iter([True]), batch=1)
    worker.run()
    assert announced.calls[:3] == [["in/0@0"], ["in/0@0", "in/0@1"], []]
    assert stream.written[0] == [b"a", b"b"]


def test_what_was_only_taken_ahead_is_not_committed_when_the_process_is_told_to_stop() -> None:
    stream = a_stream(b"0:a", b"0:b")
    worker, _ = working(stream, iter(()), batch=1)

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        stream.stop.set()
        return [ProducedRecord("out", b"k", record.value, {}) for record in records]

    with_functions(worker, process=step).run()
    assert (stream.position[0], stream.committed[0]) == (2, 1)


def test_a_fatal_error_commits_neither_batch() -> None:
    stream = a_stream(b"0:a", b"0:b")
    worker, _ = working(stream, iter(()), batch=1)

    def step(_records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        msg = "the model is gone"
        raise Fatal(msg)

    with pytest.raises(Fatal, match="model"):
        with_functions(worker, process=step).run()
    assert stream.committed[0] == 0


@pytest.mark.parametrize("error", [KeyError("k"), MemoryError(), RuntimeError("shut"), Fatal("f"), Transient("t")])
def test_what_fails_ahead_costs_nothing_but_the_work_ahead(error: Exception) -> None:
    stream = a_stream(b"0:a", b"0:b", b"0:bad")
    worker, _ = working(stream, iter(()), batch=1)

    def ahead(_records: Sequence[ConsumedRecord]) -> None:
        raise error

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        return [ProducedRecord("out", b"k", record.value, {}) for record in records]

    with_functions(worker, process=step, prefetch=ahead).run()
    assert stream.written[0] == [b"a", b"b", b"bad"]


def test_work_ahead_that_fails_is_forgotten_too_when_the_batch_is_tried_again() -> None:
    stream, failures = a_stream(b"0:a"), iter([True])
    worker, _ = working(stream, iter(()), batch=1)

    def ahead(_records: Sequence[ConsumedRecord]) -> None:
        raise KeyError

    def step(records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        if next(failures, False):
            msg = "the store is away"
            raise Transient(msg)
        return [ProducedRecord("out", b"k", record.value, {}) for record in records]

    with_functions(worker, process=step, prefetch=ahead).run()
    assert stream.written[0] == [b"a"]
