"""A record that kills its process ends as an outcome, and takes no other one with it.

A killed process is a worker out of which `Killed` comes: nothing of it is caught, and nothing is said to the broker.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.domain.topics import DEAD_LETTERS
from shared.errors import Deadly, Fatal, Poison, Transient, Undecided
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.crash_tries import CrashTries, Tries
from shared.stream.worker import Worker, WorkerSettings
from tests.support.processors import Functions, as_dead_letter
from tests.unit.test_worker import Notes

TRIES = 3
_KILLER = b"killer"
_PATIENCE = 60  # processes; more would be an endless loop


class Killed(BaseException):
    """What ends a process without a word."""


def nobody() -> None:
    pass


class Mortal(MemoryStream):
    """A stream whose process may be killed in it, before or after what was asked for has happened.

    It leaves the group as the broker has it leave: by the next member of its name. `stop` is set when all is read.
    """

    stop: Event
    chance: Callable[[], None] = staticmethod(nobody)
    failures: list[Exception]
    service: "Service"

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        self.chance()
        found = super().consume(limit, wait)
        if not found and wait:
            self.stop.set()
        return found

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        self.chance()
        if self.failures:
            raise self.failures.pop()
        super().commit(consumed, produced)
        self.chance()

    def note(self, texts: Mapping[tuple[str, int], str]) -> None:
        self.chance()
        for place, text in texts.items():
            is_alone = Tries.read(text).alone > Tries.read(self.noted(*place) or "").alone
            assert not (is_alone and self.service.at_work), "what is begun alone is begun beside others"
        super().note(texts)
        self.service.noted += texts.values()
        self.chance()

    def idle(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class Service:
    """The processes of one service, one after the other, which copy from `in` to `out`."""

    broker: MemoryBroker
    batch: int = 16
    is_ahead: bool = True
    tries: int = TRIES
    give_up: Callable[[ConsumedRecord, Deadly], Sequence[ProducedRecord]] = as_dead_letter
    begun: list[list[bytes]] = field(default_factory=list)
    deaths: list[list[bytes]] = field(default_factory=list)  # what was at work in the process
    at_work: set[bytes] = field(default_factory=set)
    notes: Notes = field(default_factory=Notes)
    chance: Callable[[], None] = nobody
    step_errors: list[Exception] = field(default_factory=list)
    commit_errors: list[Exception] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    stream: MemoryStream = field(init=False)

    def ahead(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin with what kills as soon as it is begun; what is begun goes on, also where it is not wanted any more."""
        assert all(self.stream.noted(record.topic, record.partition) != "" for record in records), "begun unnoted"
        self.at_work = self.at_work | {record.value or b"" for record in records} if records else set()
        self._die_of(self.at_work)

    def step(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        values = [record.value or b"" for record in records]
        self.at_work |= {*values}
        self.begun.append(values)
        self._die_of(self.at_work)
        try:
            self._fail()
        except Exception:
            self.at_work -= {*values}
            raise
        self.at_work -= {*values}
        return [ProducedRecord("out", b"k", value, {}) for value in values]

    def process(self, name: str = "0") -> bool:
        """Run a process until it has read all or dies; say whether it lived."""
        stream = Mortal(self.broker, "copier", name, ["in"])
        stream.stop, stream.chance = Event(), self.chance
        stream.failures, stream.service = self.commit_errors, self
        self.stream = stream
        settings = WorkerSettings(batch=self.batch, tries=self.tries, first_retry=1e-6, longest_retry=1e-5)
        processor = Functions(process=self.step, prefetch=self.ahead, prefetches=self.is_ahead, give_up=self.give_up)
        worker = Worker(
            service="copier",
            stream=stream,
            processor=processor,
            settings=settings,
            observer=self.notes,
            stop=stream.stop,
        )
        self.at_work = set()
        try:
            worker.run()
        except Killed:
            self.deaths.append(sorted(self.at_work))
            return False
        finally:
            self.broker.group("copier").members.remove(stream)
        return True

    def run(self) -> int:
        """Start processes until one of them has lived; return how many have died."""
        for died in range(_PATIENCE):
            if self.process():
                return died
        pytest.fail("an endless loop")

    def written(self) -> list[bytes]:
        return sorted(record.value or b"" for record in self.broker.records("out"))

    def letters(self) -> list[bytes]:
        return [record.value or b"" for record in self.broker.records(DEAD_LETTERS.name)]

    def _fail(self) -> None:
        self.chance()
        if self.step_errors:
            raise self.step_errors.pop()

    def _die_of(self, values: set[bytes]) -> None:
        if any(value.startswith(_KILLER) for value in values):
            raise Killed


def a_broker(logs: Sequence[Sequence[bytes]]) -> MemoryBroker:
    broker = MemoryBroker(max(1, len(logs)))
    for partition, log in enumerate(logs):
        for value in log:
            broker.append(ProducedRecord("in", b"k", value, {}), partition)
    return broker


def numbered(partition: int, count: int, killers: Sequence[int] = ()) -> list[bytes]:
    return [b"%s%d-%d" % (_KILLER if at in killers else b"", partition, at) for at in range(count)]


@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize(("batch", "at"), [(16, 0), (16, 9), (16, 20), (16, 33), (1, 7), (1000, 39)])
def test_a_record_that_kills_its_process_is_given_up_and_all_others_are_written_once(
    batch: int, at: int, *, is_ahead: bool
) -> None:
    logs = [numbered(0, 40, [at]), numbered(1, 40), numbered(2, 0)]
    service = Service(a_broker(logs), batch, is_ahead)
    died = service.run()
    assert service.written() == sorted(value for log in logs for value in log if not value.startswith(_KILLER))
    assert service.letters() == [logs[0][at]]
    assert service.notes.abandoned == [logs[0][at]]
    # Nothing is noted when it is met later than in the first batch, and the first batch of the next process may end
    # before it.
    assert 2 + TRIES <= died <= 4 + TRIES
    assert service.deaths[-TRIES:] == [[logs[0][at]]] * TRIES


@given(
    kinds=st.lists(st.tuples(st.integers(0, 40), st.sets(st.integers(0, 39), max_size=2)), min_size=1, max_size=4),
    batch=st.sampled_from([1, 2, 5, 16]),
    is_ahead=st.booleans(),
)
def test_of_several_each_is_given_up_whatever_partitions_they_are_in(
    kinds: list[tuple[int, set[int]]], batch: int, *, is_ahead: bool
) -> None:
    logs = [numbered(partition, count, sorted(killers)) for partition, (count, killers) in enumerate(kinds)]
    service = Service(a_broker(logs), batch, is_ahead)
    service.run()
    killers = sorted(value for log in logs for value in log if value.startswith(_KILLER))
    assert service.written() == sorted({value for log in logs for value in log} - {*killers})
    assert sorted(service.letters()) == killers


@given(
    counts=st.lists(st.integers(0, 25), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.02, 0.1, 0.3]),
    batch=st.sampled_from([1, 3, 16]),
    is_ahead=st.booleans(),
)
def test_whenever_processes_are_killed_what_is_given_up_was_begun_alone_and_not_ended_so_many_times(
    counts: list[int], seed: int, share: float, batch: int, *, is_ahead: bool
) -> None:
    logs = [numbered(partition, count) for partition, count in enumerate(counts)]
    chance, kills = Random(seed), 40  # noqa: S311  moments, no secrets
    service = Service(a_broker(logs), batch, is_ahead)

    def maybe() -> None:
        nonlocal kills
        if kills and chance.random() < share:
            kills -= 1
            raise Killed

    service.chance = maybe
    service.run()
    given_up = service.letters()
    assert sorted([*service.written(), *given_up]) == sorted(value for log in logs for value in log)
    places = [int(record.headers["dead_letter_offset"]) for record in service.broker.records(DEAD_LETTERS.name)]
    alone = Counter(tries.first for tries in map(Tries.read, service.noted) if tries.alone)
    assert all(alone[offset] >= TRIES for offset in places)


def test_innocent_records_that_die_with_others_are_never_given_up() -> None:
    """Processes die in every batch, for no fault of any record, though never often enough in one that is alone."""
    logs = [numbered(0, 30), numbered(1, 30)]
    service = Service(a_broker(logs))
    begun: Counter[bytes] = Counter()

    def chance() -> None:
        if service.begun and begun[first := service.begun[-1][0]] < TRIES - 1:
            begun[first] += 1
            raise Killed

    service.chance = chance
    while not service.process():
        assert len(service.deaths) < 1000
    assert service.written() == sorted(logs[0] + logs[1])
    assert not service.letters()


def test_what_becomes_of_it_is_for_the_service_to_say() -> None:
    reasons: list[str] = []

    def give_up(record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:
        reasons.append(str(reason))
        return [ProducedRecord("out", b"k", b"given up: " + (record.value or b""), {})]

    service = Service(a_broker([numbered(0, 3, [1])]), give_up=give_up)
    service.run()
    assert service.written() == [b"0-0", b"0-2", b"given up: killer0-1"]
    assert not service.letters()
    (reason,) = reasons
    assert reason == (
        "the process ended 3 times without an error while it worked on this record alone;"
        " the usual cause is a lack of memory"
    )


def test_a_service_that_cannot_say_it_now_is_asked_again_and_one_that_cannot_read_it_has_a_dead_letter() -> None:
    errors: list[Exception] = [Poison("no such event"), Transient("the store is away")]

    def give_up(_record: ConsumedRecord, _reason: Deadly) -> Sequence[ProducedRecord]:
        raise errors.pop()

    service = Service(a_broker([numbered(0, 2, [0])]), give_up=give_up)
    service.run()
    (letter,) = service.broker.records(DEAD_LETTERS.name)
    assert letter.headers["dead_letter_message"] == b"no such event"
    assert service.notes.retries == [1]


def test_each_process_says_what_it_has_found() -> None:
    service = Service(a_broker([numbered(0, 3, [1])]))
    service.run()
    assert service.notes.found == [
        *(("in/0@0", 1, 0), ("in/0@0", 2, 0)),
        *(("in/0@1", 0, 1), ("in/0@1", 0, 2), ("in/0@1", 0, 3)),
    ]


def killing_at(service: Service, value: bytes, times: int) -> Callable[[], None]:
    left = times

    def chance() -> None:
        nonlocal left
        if left and value in service.at_work:
            left -= 1
            raise Killed

    return chance


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (Transient("the store is away"), "step"),
        (Fatal("the model is gone"), "step"),
        (Transient("the broker is away"), "commit"),
        (Undecided("nobody answers"), "commit"),
        (Fatal("fenced off"), "commit"),
        (OSError("a defect"), "commit"),
    ],
)
def test_a_beginning_that_ends_by_an_error_is_no_try_however_often(error: Exception, where: str) -> None:
    service = Service(a_broker([numbered(0, 2)]), batch=1, is_ahead=False)
    service.chance = killing_at(service, b"0-0", 2)
    assert [service.process(), service.process()] == [False, False]
    for _ in range(3 * TRIES):
        # The one first, and where the process goes on after it, the end of the process.
        errors = [Fatal("told to end"), error]
        service.step_errors, service.commit_errors = (errors, []) if where == "step" else ([], errors)
        with pytest.raises((Fatal, OSError)):
            service.process()
    service.step_errors, service.commit_errors = [], []
    assert service.process()
    assert service.written() == [b"0-0", b"0-1"]
    assert {Tries.read(text).alone for text in service.noted} == {0, 1}


def test_suspect_records_that_come_while_others_are_at_work_wait_for_these() -> None:
    """A partition comes, in which others have died, while the next records of another one are begun ahead."""
    service = Service(a_broker([numbered(0, 9), numbered(1, 14)]), batch=4)
    group = service.broker.group("copier")
    group.notes["in", 0] = Tries(first=0, last=5, together=2).text()
    other = MemoryStream(service.broker, "copier", "other", ["in"])

    def chance() -> None:
        if len(service.begun) == 3 and other in group.members:
            group.members.remove(other)

    service.chance = chance
    assert service.process()
    assert service.written() == sorted(numbered(0, 9) + numbered(1, 14))
    together = [batch for batch in service.begun if len(batch) > 1]
    assert {value for batch in together for value in batch} >= {*numbered(0, 9)[6:], *numbered(1, 14)}
    assert not {value for batch in together for value in batch} & {*numbered(0, 6)}
    assert [(Tries.read(text).first, Tries.read(text).alone) for text in service.noted][1:] == [
        (offset, 1) for offset in range(6)
    ]


def test_records_begun_ahead_that_come_back_as_suspects_are_begun_alone() -> None:
    """A partition goes while its next records are begun, others die of the first of them, and it comes back."""
    broker = a_broker([[], numbered(1, 4)])
    stream, group = MemoryStream(broker, "copier", "0", ["in"]), broker.group("copier")
    tries = CrashTries(stream, TRIES, lambda _record, _tries: None)
    first, *following = stream.consume(4, 0)
    assert tries.select([first]) == ([first], ())
    stream.commit([first], [])
    assert tries.prefetchable(following) == following
    other = MemoryStream(broker, "copier", "other", ["in"])
    assert not stream.consume(4, 0)
    group.notes["in", 1] = Tries(first=1, last=3, together=2, alone=TRIES).text()
    group.members.remove(other)
    again = stream.consume(4, 0)
    assert again == following
    assert tries.select(again) == (again[:1], again[1:])


def test_an_error_at_one_of_the_suspects_leaves_the_others_suspect() -> None:
    service = Service(a_broker([numbered(0, 6, [4])]), batch=4, is_ahead=False)
    service.chance = killing_at(service, b"0-0", 2)
    assert [service.process(), service.process()] == [False, False]
    errors = [Transient("the store is away")]

    def chance() -> None:
        if service.begun[-1] == [b"0-1"] and errors:
            raise errors.pop()

    service.begun.clear()
    service.chance = lambda: chance() if service.begun else None
    assert not service.process()
    assert service.begun[:5] == [[b"0-0"], [b"0-1"], [b"0-1"], [b"0-2"], [b"0-3"]]


def test_a_note_of_a_record_that_is_gone_is_of_no_other_one() -> None:
    """Kafka forgets records after a while, and the group's offset stays."""
    service = Service(a_broker([numbered(0, 3)]))
    service.broker.group("copier").notes["in", 0] = Tries(first=7, last=9, together=2, alone=3).text()
    assert service.process()
    assert service.written() == numbered(0, 3)
    assert not service.notes.found


def test_a_process_that_dies_before_any_record_is_begun_leaves_no_trace() -> None:
    service = Service(a_broker([numbered(0, 3)]))

    def die() -> None:
        raise Killed

    service.chance = die
    assert [service.process() for _ in range(10)] == [False] * 10
    service.chance = nobody
    assert service.process()
    assert not service.notes.found


def test_ordinary_work_writes_one_note_for_each_assignment() -> None:
    service = Service(a_broker([numbered(0, 500), numbered(1, 500)]))
    assert service.process()
    assert len(service.begun) >= 1000 // service.batch
    assert len(service.noted) == 2, "one for each partition: here the second comes when the first is read"


def test_a_member_that_gets_a_partition_back_does_not_take_its_own_beginning_for_a_try() -> None:
    tries = Tries(first=7, last=9, together=2, alone=1, by="us")
    assert tries.without("us") == Tries(first=7, last=9, together=2, alone=0, by="us")
    assert tries.without("others") == tries
    assert Tries(first=7, last=9, together=2, by="us").without("us").together == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "somebody else's", "[]", "7", "null", '{"alone": "x"}', '{"alone": 3}', '{"first": Infinity}'),
        pytest.param("[" * 4096, id="as deep as Kafka takes"),
    ],
)
def test_a_note_of_somebody_else_counts_for_no_record(text: str) -> None:
    assert Tries.read(text).first == -1


@given(
    st.builds(
        Tries,
        first=st.integers(0),
        last=st.integers(0),
        together=st.integers(0, 99),
        alone=st.integers(0, 99),
        by=st.text(),
    )
)
def test_a_note_says_what_was_noted(tries: Tries) -> None:
    assert Tries.read(tries.text()) == tries
