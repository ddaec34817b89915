"""The reclusterer among others: it dies at any call, the assigner works meanwhile, an operator goes back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.adapters.memory.stream import MemoryWriter
from shared.domain.events import Cause, Change
from shared.domain.records import GenerationState
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED
from shared.ports.streams import ProducedRecord
from tests.support.reclustering import Killed, Watched, World, add_faces, add_photos, mark_removed, people
from tests.support.synthetic_faces import embeddings, face_record

pytestmark = pytest.mark.slow  # by their number

FACES = embeddings([6, 1, 5, 4])
NAMES = [f"{number:04}" for number in range(len(FACES))]
FIRST = NAMES[:9]


class WatchedWorld(World):
    """A world in which every call of a port is seen, those of the writer too."""

    def __init__(self, before: Callable[[int, str], None], after: Callable[[int, str], None]) -> None:
        super().__init__()
        self.calls = [0]
        self.before, self.after = before, after

    def watched_recluster(self) -> None:
        plain = self.repository
        self.repository = Watched(plain, self.before, self.after, self.calls)
        try:
            self.recluster()
        finally:
            self.repository = plain


def prepare(made: World) -> None:
    """One generation is active, more faces have come and one photograph has gone."""
    add_photos(made.repository, FACES[:9], FIRST)
    made.announce_arrivals(FIRST)
    made.recluster()
    add_photos(made.repository, FACES[9:], NAMES[9:], 1)
    made.announce_arrivals(NAMES[9:])


def nothing(_number: int, _name: str) -> None:
    """Let it be."""


def undisturbed() -> WatchedWorld:
    made = WatchedWorld(nothing, nothing)
    prepare(made)
    made.watched_recluster()
    return made


CALLS = undisturbed().calls[0]


def last_told(made: World) -> dict[str, Change]:
    return {event.cluster_id: event.change for event in made.cluster_events()}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_killed_at_any_call_the_next_start_ends_as_if_nothing_had_happened(call: int, when: str) -> None:
    def die(number: int, _name: str) -> None:
        if number == call:
            raise Killed

    expected = undisturbed()
    made = WatchedWorld(die, nothing) if when == "before" else WatchedWorld(nothing, die)
    prepare(made)
    old = made.members()
    with pytest.raises(Killed):
        made.watched_recluster()
    assert made.members() in ({**old}, expected_names(made, expected)), "readers see one generation or the other"
    made.recluster()
    assert people(made.members()) == people(expected.members())
    assert made.known_downstream() == made.members()
    kept = {name: cluster for name, cluster in old.items() if name in FIRST}
    assert {name: made.members()[name] for name in kept if kept[name]} == {n: c for n, c in kept.items() if c}
    assert sorted(last_told(made).values()) == sorted(last_told(expected).values())
    generations = made.repository.generations()
    assert [item.state for item in generations] == [GenerationState.RETIRED, GenerationState.ACTIVE]
    assert generations[-1].announced
    for number in range(made.repository.next_generation_number()):
        if number not in {0, *(item.number for item in generations)}:
            assert made.members(number) == {}, "what was unfinished is gone"


def expected_names(made: World, expected: World) -> dict[str, str | None]:
    """Return the members of an undisturbed run, by the names that the disturbed one gives; else those as they are."""
    members = made.members()
    return members if people(members) == people(expected.members()) else expected.members()


class Eraser:
    """The assigner that takes a photograph back, in four parts, each after one of some calls.

    The database has no transactions: memberships go first, the face and its image some time later.
    """

    def __init__(self, made: World, face_id: str, calls: Sequence[int]) -> None:
        self._made, self._repository = made, made.repository
        self._face_id, self._image_id = face_id, f"image of {face_id}"
        self._calls = calls
        self._left = [self._mark, self._tell, self._forget, self._erase]

    def __call__(self, number: int, _name: str) -> None:
        if self._left and number >= self._calls[4 - len(self._left)]:
            self._left.pop(0)()

    def finish(self) -> None:
        while self._left:
            self._left.pop(0)()

    def _mark(self) -> None:
        mark_removed(self._repository, self._image_id)

    def _tell(self) -> None:
        self._made.broker.append(ProducedRecord(FACES_ASSIGNED.name, self._face_id.encode(), None, {}))

    def _forget(self) -> None:
        for number in range(5):
            self._repository.remove_memberships(number, [self._face_id])

    def _erase(self) -> None:
        found = [self._repository.memberships_of(number, [self._face_id]) for number in range(5)]
        self._repository.remove_images([self._image_id])
        # What was written since the memberships were removed is no more part of that.
        self._repository.save_memberships([membership for of_one in found for membership in of_one.values()])


@pytest.mark.parametrize("after", [(0, 0, 0), (1, 2, 3), (3, 6, 9), (1, 2, 18)])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_face_that_is_erased_at_any_moment_does_not_come_back(call: int, after: Sequence[int]) -> None:
    made = WatchedWorld(nothing, nothing)
    prepare(made)
    eraser = Eraser(made, NAMES[10], [call, *(call + later for later in after)])
    made.after = eraser
    made.watched_recluster()
    eraser.finish()
    assert NAMES[10] not in made.known_downstream()
    assert NAMES[10] not in made.members()
    assert made.known_downstream() == made.members()


@dataclass
class Arrival:
    """The assigner that gets a photograph: it writes, looks whether the generation is still active, then commits."""

    made: World
    first: int
    apart: int
    repository: Any = None
    steps: Iterator[None] = field(init=False)
    done: int = 0

    def __post_init__(self) -> None:
        self.repository = self.made.repository
        self.steps = self.work()

    def __call__(self, number: int, _name: str) -> None:
        if number >= self.first + self.done * self.apart:
            self.advance()

    def advance(self) -> None:
        self.done += 1
        next(self.steps, None)

    def work(self) -> Iterator[None]:
        repository = self.repository
        faces = [face_record(name, FACES[0], "late photograph") for name in ("0000a", "0000b")]
        while True:
            active = repository.active_generation()
            number = active.number if active else 0
            by_medoid = {float(cluster.medoid @ FACES[0]): cluster for cluster in repository.clusters(number)}
            person = by_medoid[max(by_medoid)].cluster_id
            yield
            add_faces(repository, faces[:1], number, person)
            add_faces(repository, faces[1:], number, None)
            yield
            if repository.active_generation() == active or repository.active_generation().number == number:
                break
        yield
        for face, cluster in zip(faces, (person, None), strict=True):
            say(self.made, face.face_id, cluster, number)


def say(made: World, face_id: str, cluster_id: str | None, generation: int) -> None:
    face = made.assigned_events()[0].model_copy(
        update={"face_id": face_id, "cluster_id": cluster_id, "generation": generation, "cause": Cause.ARRIVED}
    )
    made.broker.append(ProducedRecord(FACES_ASSIGNED.name, face_id.encode(), face.model_dump_json().encode(), {}))


@pytest.mark.parametrize("apart", [1, 4])
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_photograph_that_arrives_at_any_moment_is_in_the_new_generation_and_downstream_knows(
    call: int, apart: int
) -> None:
    made = WatchedWorld(nothing, nothing)
    prepare(made)
    arrival = Arrival(made, call, apart)
    made.after = arrival

    def settle(_seconds: float) -> None:
        # No assigner is in the generation before any more when this has passed.
        for _ in range(10):
            arrival.advance()

    plain = made.repository
    made.repository = Watched(plain, nothing, arrival, made.calls)
    made.recluster(wait=settle)
    made.repository = plain
    for _ in range(10):
        arrival.advance()
    assert made.known_downstream() == made.members()
    assert [made.members()["0000a"], made.members()["0000b"]] == [made.members()[NAMES[0]], None]


def gone_back(before: Callable[[int, str], None], after: Callable[[int, str], None]) -> WatchedWorld:
    """A world with two generations, in which an operator goes back to the first; the calls of that are seen."""
    made = undisturbed()
    plain, first, made.calls = made.repository, made.repository.generations()[0].number, [0]
    made.repository = Watched(plain, before, after, made.calls)
    made.publish(first)
    made.repository = plain
    return made


CALLS_BACK = gone_back(nothing, nothing).calls[0]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, CALLS_BACK + 1))
def test_a_way_back_that_is_killed_is_gone_to_its_end_by_the_next_job_or_was_not_begun(call: int, when: str) -> None:
    def die(number: int, _name: str) -> None:
        if number == call:
            raise Killed

    made = undisturbed()
    plain, first = made.repository, made.repository.generations()[0].number
    before, after = (die, nothing) if when == "before" else (nothing, die)
    made.repository = Watched(plain, before, after, [0])
    with pytest.raises(Killed):
        made.publish(first)
    made.repository = plain
    begun = made.repository.active_generation().number == first
    with made.publisher() as publisher:
        publisher.resume()
    assert (made.repository.active_generation().number == first) == begun
    assert made.repository.active_generation().announced
    assert made.known_downstream() == made.members()


@pytest.mark.parametrize("apart", [1, 4])
@pytest.mark.parametrize("call", range(1, CALLS_BACK + 1))
def test_a_photograph_that_arrives_while_an_operator_goes_back_is_there_and_downstream_knows(
    call: int, apart: int
) -> None:
    made = undisturbed()
    arrival = Arrival(made, call, apart)
    plain, first = made.repository, made.repository.generations()[0].number
    made.repository = Watched(plain, nothing, arrival, [0])

    def settle(_seconds: float) -> None:
        for _ in range(10):
            arrival.advance()

    with made.publisher(wait=settle) as publisher:
        publisher.resume()
        publisher.publish(plain.generation(first))
    made.repository = plain
    for _ in range(10):
        arrival.advance()
    assert made.repository.active_generation().number == first
    assert made.known_downstream() == made.members()
    assert [made.members()["0000a"], made.members()["0000b"]] == [made.members()[NAMES[0]], None]


def test_a_transaction_that_is_aborted_is_never_heard() -> None:
    made = WatchedWorld(nothing, nothing)
    prepare(made)
    before = len(made.broker.records(FACES_ASSIGNED.name)), len(made.broker.records(CLUSTERS_CHANGED.name))
    with pytest.raises(Killed):
        MemoryWriter(made.broker, "test").write_if([ProducedRecord(FACES_ASSIGNED.name, b"x", b"{}", {})], die_at_once)
    after = len(made.broker.records(FACES_ASSIGNED.name)), len(made.broker.records(CLUSTERS_CHANGED.name))
    assert after == before


def die_at_once() -> bool:
    raise Killed
