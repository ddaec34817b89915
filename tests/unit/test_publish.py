"""What the world hears of a generation, and when."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from services.reclusterer.generations.phases import Phases
from services.reclusterer.step import ReclusterOutcome
from shared.domain.events import Cause, Change
from shared.domain.records import GenerationState
from tests.support.reclustering import World, add_faces, add_photos, mark_removed, people
from tests.support.synthetic_faces import embeddings, face_record

FACES = embeddings([6, 1, 5, 4])
NAMES = [f"{number:04}" for number in range(len(FACES))]


def world(names: Sequence[str] = NAMES) -> World:
    """A world in which faces have arrived and nobody is known."""
    made = World()
    add_photos(made.repository, FACES[[NAMES.index(name) for name in names]], names)
    made.announce_arrivals(names)
    return made


def arrive(made: World, names: Sequence[str], generation: int, cluster_id: str | None = None) -> None:
    faces = [face_record(name, FACES[NAMES.index(name)]) for name in names]
    add_faces(made.repository, faces, generation, cluster_id)
    made.announce_arrivals(names)


def at(phase: str, do: Callable[[], object]) -> Phases:
    """Phases in which something else happens at the beginning of one."""

    def begins(name: str) -> None:
        if name == phase:
            do()

    return Phases(begins)


def test_downstream_knows_the_person_of_every_face_and_hears_only_of_those_that_changed() -> None:
    made = world()
    before = len(made.assigned_events())
    done = made.recluster()
    assert done.outcome is ReclusterOutcome.PUBLISHED
    assert made.known_downstream() == made.members()
    assert people(made.known_downstream()) == {frozenset(NAMES[:6]), frozenset(NAMES[7:12]), frozenset(NAMES[12:])}
    told = made.assigned_events()[before:]
    assert {event.face_id for event in told} == set(NAMES) - {NAMES[6]}
    assert {event.cause for event in told} == {Cause.RECLUSTERED}
    assert {event.generation for event in told} == {1}


def test_a_generation_that_moves_nobody_announces_no_face_and_every_cluster() -> None:
    made = world()
    made.recluster()
    before = len(made.assigned_events())
    made.clustering = made.clustering.model_copy(update={"seed": 1})
    made.recluster()
    assert made.assigned_events()[before:] == []
    assert [event.change for event in made.cluster_events()[3:]] == [Change.KEPT] * 3


def test_what_the_assigner_said_counts_as_heard() -> None:
    made = world(NAMES[:8] + NAMES[9:])
    made.recluster()
    (person,) = {made.members()[name] for name in NAMES[9:12]}
    arrive(made, [NAMES[8]], 1, person)
    before = len(made.assigned_events())
    made.recluster()
    assert made.assigned_events()[before:] == [], "the assigner has put it where it belongs"
    assert made.known_downstream() == made.members()


def test_clusters_are_created_kept_grown_merged_split_and_retired() -> None:
    made = world(NAMES[:12])
    made.recluster()
    assert [event.change for event in made.cluster_events()] == [Change.CREATED] * 2
    ids = {made.members()[NAMES[0]]: 6, made.members()[NAMES[7]]: 5}
    assert {event.cluster_id: event.size for event in made.cluster_events()} == ids
    arrive(made, NAMES[12:], 1)
    made.repository.remove_images([f"image of {name}" for name in NAMES[7:12]])
    made.recluster()
    told = {event.cluster_id: event for event in made.cluster_events()[2:]}
    new, lost = made.members()[NAMES[12]], next(its_id for its_id, size in ids.items() if size == 5)
    assert new is not None
    assert lost is not None
    assert (told[new].change, told[new].size, told[new].generation) == (Change.CREATED, 4, 2)
    assert (told[lost].change, told[lost].size, told[lost].medoid_face_id) == (Change.RETIRED, 0, None)
    assert len(told) == 3


def test_a_person_who_loses_some_faces_keeps_the_name_and_one_who_loses_most_is_retired() -> None:
    made = world()
    made.clustering = made.clustering.model_copy(update={"min_cluster_size": 4})
    made.recluster()
    first = made.members()
    images = {face.face_id: face.image_id for face in made.repository.faces()}
    made.repository.remove_images([images[NAMES[-1]], images[NAMES[-2]]])
    made.recluster()
    assert made.members() == {name: first[name] for name in NAMES[:-2]}
    made.repository.remove_images([images[NAMES[-3]]])
    made.recluster()
    assert made.members()[NAMES[-4]] is None
    assert {event.cluster_id for event in made.cluster_events() if event.change is Change.RETIRED} == {first[NAMES[-4]]}


def test_a_face_erased_since_the_snapshot_does_not_come_back() -> None:
    made = world()

    def erase() -> None:
        mark_removed(made.repository, f"image of {NAMES[0]}")
        made.repository.remove_images([f"image of {NAMES[0]}"])

    # The snapshot is taken, the memberships are not yet written.
    made.recluster(phases=at("write", erase))
    assert NAMES[0] not in made.members()
    assert NAMES[0] not in {event.face_id for event in made.assigned_events() if event.cause is Cause.RECLUSTERED}


def test_a_face_whose_end_is_only_marked_is_not_announced() -> None:
    made = world()
    made.recluster(phases=at("announce", lambda: mark_removed(made.repository, f"image of {NAMES[0]}")))
    assert made.known_downstream()[NAMES[0]] is None
    assert made.known_downstream()[NAMES[1]] is not None


def test_faces_that_arrive_while_a_generation_is_made_are_caught_up_and_announced() -> None:
    made = world(NAMES[:3] + NAMES[4:])
    made.recluster(phases=at("write", lambda: arrive(made, [NAMES[3]], 0)))
    assert made.members()[NAMES[3]] == made.members()[NAMES[2]] is not None
    assert made.known_downstream() == made.members()
    (late,) = [item for item in made.repository.memberships(1) if item.face_id == NAMES[3]]
    assert late.cause is Cause.ARRIVED
    assert late.similarity is not None


def test_of_two_late_faces_of_one_photograph_only_one_becomes_the_person() -> None:
    made = world(NAMES[:3] + NAMES[6:])
    twins = [face_record(name, FACES[int(name)], "one photograph") for name in NAMES[3:5]]

    made.recluster(phases=at("write", lambda: add_faces(made.repository, twins)))
    found = [made.members()[face.face_id] for face in twins]
    assert found.count(None) == 1
    assert made.members()[NAMES[0]] in found


def test_a_late_face_does_not_become_whom_another_face_of_its_photograph_is_already() -> None:
    made = world(NAMES[:3] + NAMES[6:])
    first, second = (face_record(name, FACES[int(name)], "one photograph") for name in NAMES[3:5])
    add_faces(made.repository, [first])

    made.recluster(phases=at("write", lambda: add_faces(made.repository, [second])))
    assert made.members()[first.face_id] == made.members()[NAMES[0]]
    assert made.members()[second.face_id] is None


def test_going_back_brings_downstream_back_and_catches_up_what_came_since() -> None:
    made = world(NAMES[:8])
    made.recluster()
    first = made.members()
    arrive(made, NAMES[8:], 1)
    made.recluster()
    assert made.known_downstream() == made.members()
    assert len(people(made.members())) == 3
    made.publish(1)
    assert {name: made.members()[name] for name in first} == first
    assert made.known_downstream() == made.members()
    assert set(made.known_downstream()) == set(NAMES)
    assert [(item.number, item.state, item.announced) for item in made.repository.generations()] == [
        (1, GenerationState.ACTIVE, True),
        (2, GenerationState.RETIRED, True),
    ]
    retired = {event.cluster_id for event in made.cluster_events() if event.change is Change.RETIRED}
    assert retired == set(made.members(2).values()) - set(first.values())


def test_going_back_and_forth_gives_events_with_names_of_their_own() -> None:
    made = world()
    made.recluster()
    made.clustering = made.clustering.model_copy(update={"min_cluster_size": 5})
    made.recluster()
    made.publish(1)
    made.publish(2)
    records = [*made.broker.records("clusters.changed"), *made.broker.records("faces.assigned")[len(NAMES) :]]
    ids = [record.headers["ce_id"] for record in records]
    assert len(ids) == len(set(ids)) > 10
    assert made.known_downstream() == made.members()


def test_announcing_again_says_the_same() -> None:
    made = world()
    done = made.recluster()
    assert done.generation
    before = [(record.key, record.value, record.headers) for record in made.broker.records("faces.assigned")]
    made.repository.save_generation(replace(done.generation, announced=False))
    made.recluster()
    after = [(record.key, record.value, record.headers) for record in made.broker.records("faces.assigned")]
    assert after == before + before[len(NAMES) :]


def test_only_the_last_generations_are_kept_and_pinned_ones() -> None:
    made = world()
    made.job = made.job.model_copy(update={"keep": 2})
    for seed in range(5):
        made.clustering = made.clustering.model_copy(update={"seed": seed})
        made.recluster()
        if seed == 1:
            made.repository.pin(1)
    assert [item.number for item in made.repository.generations()] == [1, 4, 5]
    assert made.members(3) == made.members(0) == {}
    assert made.members(1) == made.members(5)


def test_nothing_is_made_while_the_active_generation_is_pinned() -> None:
    made = world()
    made.recluster()
    made.repository.pin(1)
    add_photos(made.repository, FACES[:1], ["9999"], 1)
    done = made.recluster()
    assert (done.outcome, done.reason) == (ReclusterOutcome.SKIPPED, "generation 1 is active and pinned")


def test_a_generation_is_held_back_when_the_active_one_is_pinned_while_it_is_made() -> None:
    made = world(NAMES[:8])
    made.recluster()
    arrive(made, NAMES[8:], 1)
    done = made.recluster(phases=at("write", lambda: made.repository.pin(1)))
    assert done.outcome is ReclusterOutcome.HELD
    assert "pinned" in done.reason
    active = made.repository.active_generation()
    assert active
    assert active.number == 1


def test_a_generation_that_loses_many_faces_is_held_back_until_somebody_publishes_it() -> None:
    made = world()
    made.recluster()
    known = made.members()
    made.clustering = made.clustering.model_copy(update={"min_cluster_size": 6})
    done = made.recluster()
    assert done.outcome is ReclusterOutcome.HELD
    assert done.reason == "6 of 16 faces have a person; in the active generation 15 have"
    assert made.members() == made.known_downstream() == known
    again = made.recluster()
    assert (again.outcome, again.reason) == (
        ReclusterOutcome.SKIPPED,
        f"these faces make generation 2, which is held back: {done.reason}",
    )
    made.publish(2)
    assert len(people(made.members())) == 1
    assert made.known_downstream() == made.members()


def test_a_generation_with_one_huge_cluster_is_held_back() -> None:
    made = world()
    made.recluster()
    made.clustering = made.clustering.model_copy(update={"edge_threshold": 0.0, "stay_threshold": -1})
    done = made.recluster()
    assert done.outcome is ReclusterOutcome.HELD
    assert done.reason.startswith("one cluster has")


def test_photographs_of_mostly_one_person_are_no_reason_to_hold_a_generation_back() -> None:
    made = World()
    faces = embeddings([12, 3])
    add_photos(made.repository, faces[:10], NAMES[:10])
    assert made.recluster().outcome is ReclusterOutcome.PUBLISHED
    add_photos(made.repository, faces[10:], NAMES[10:15], 1)
    assert made.recluster().outcome is ReclusterOutcome.PUBLISHED


@pytest.mark.parametrize(("share", "faces", "outcome"), [(0.2, 1, "skipped"), (0, 3, "skipped"), (0.1, 2, "published")])
def test_too_few_new_and_gone_faces_are_no_reason_to_regroup(share: float, faces: int, outcome: str) -> None:
    made = world(NAMES[:15])
    made.job = made.job.model_copy(update={"least_change_share": share, "least_change_faces": faces})
    made.recluster()
    arrive(made, NAMES[15:], 1)
    made.repository.remove_images([f"image of {NAMES[0]}"])
    done = made.recluster()
    assert done.outcome == outcome
    assert done.reason in {"", "only 2 of 15 faces came or went"}


def test_without_faces_there_is_nothing_to_do() -> None:
    made = World()
    assert made.recluster().reason == "there are no faces"
    assert made.repository.next_generation_number() == 1


def test_faces_of_another_model_become_unknown() -> None:
    made = world()
    made.recluster()
    known = made.members()
    add_faces(
        made.repository,
        [replace(face_record(f"new {number}", vector), model_id="other") for number, vector in enumerate(FACES)],
        1,
    )
    done = made.recluster("other")
    assert done.outcome is ReclusterOutcome.PUBLISHED
    assert {made.members()[name] for name in NAMES} == {None}
    assert {made.known_downstream()[name] for name in NAMES} == {None}
    assert len(people(made.members())) == len(people(known))


def test_every_face_is_in_one_generation_only_as_it_was_before_or_as_it_is_after() -> None:
    """Whatever a reader reads, at any moment, is all of one generation."""
    made = world(NAMES[:8])
    made.recluster()
    first = made.members()
    arrive(made, NAMES[8:], 1)
    seen = []
    made.recluster(phases=Phases(lambda phase: seen.append((phase, made.members()))))
    last = made.members()
    for phase, members in seen:
        early = phase in {"snapshot", "cluster", "match", "write", "activate"}
        expected = {**first, **dict.fromkeys(NAMES[8:])} if early else last
        assert members == expected, phase
    assert len(seen) > 8
