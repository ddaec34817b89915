"""That a publication is complete is told; and an erased medoid is not the last word on a person."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from services.reclusterer.generations.publish import NOT_ANNOUNCED
from services.reclusterer.step import ReclusterOutcome
from shared.adapters.memory.stream import MemoryWriter
from shared.domain.events import Change, ClusterChanged, Publication
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, GENERATIONS_PUBLISHED
from shared.erasure.erase import erase as erased
from shared.erasure.refit import refit_returned
from shared.ports.streams import ProducedRecord
from tests.support.reclustering import World
from tests.unit.test_publish import NAMES, arrive, world


def test_a_publication_is_told_at_its_end_with_all_that_was_told_before() -> None:
    made = world(NAMES[:8])
    made.recluster()
    arrive(made, NAMES[8:], 1)
    made.recluster()
    made.publish(1)
    made.publish(2)
    told = [(said.generation, said.previous, said.cause) for said in made.published()]
    assert told == [
        (1, 0, Publication.RECLUSTERED),
        (2, 1, Publication.RECLUSTERED),
        (1, 2, Publication.ROLLED_BACK),
        (2, 1, Publication.RECLUSTERED),
    ]
    faces = [record for record in made.broker.records(FACES_ASSIGNED.name) if "ce_time" in record.headers]
    people_told = made.broker.records(CLUSTERS_CHANGED.name)
    records = made.broker.records(GENERATIONS_PUBLISHED.name)
    assert {record.key for record in records} == {b"active"}, "its last record says what is in force"
    assert len({record.headers["ce_id"] for record in records}) == len(records)
    for said, record in zip(made.published(), records, strict=True):
        when = record.headers["ce_time"]
        assert datetime.fromisoformat(when.decode()) == said.published_at
        # Of one publication all records have one moment, and stand before the one that ends it.
        for written, count in ((faces, said.faces), (people_told, said.clusters)):
            its_own = [other for other in written if other.headers["ce_time"] == when]
            assert len(its_own) == count > 0
            assert all(other.timestamp <= record.timestamp for other in its_own)


def test_a_publication_that_is_gone_through_again_after_a_death_has_the_same_name_where_it_says_the_same() -> None:
    made = world()
    done = made.recluster()
    assert done.generation
    made.repository.save_generation(replace(done.generation, announced=False))
    made.recluster()
    first, second = made.broker.records(GENERATIONS_PUBLISHED.name)
    assert (first.value, first.headers) == (second.value, second.headers)
    made.repository.save_generation(replace(done.generation, announced=False))
    made.repository.remove_images([f"image of {NAMES[0]}"])
    made.recluster()
    third = made.broker.records(GENERATIONS_PUBLISHED.name)[2]
    assert third.value != second.value
    assert third.headers["ce_id"] != second.headers["ce_id"]


def test_a_person_who_is_told_of_again_after_a_death_has_the_same_event_id_only_where_the_same_is_said() -> None:
    made = world()
    done = made.recluster()
    assert done.generation
    medoid = made.cluster_events()[0].medoid_face_id
    assert medoid
    made.repository.save_generation(replace(done.generation, announced=False))
    erase(made, medoid)  # after it was told of, before the process died
    made.recluster()
    events = made.broker.records(CLUSTERS_CHANGED.name)
    said: dict[str, set[bytes | None]] = {}
    for record in events:
        said.setdefault(record.headers["ce_id"].decode(), set()).add(record.value)
    assert all(len(values) == 1 for values in said.values()), "one id, two things that were said"
    assert len(said) < len(events), "what has not changed has the id that it had"
    assert last_people(made)[made.cluster_events()[0].cluster_id].medoid_face_id != medoid


def test_a_generation_is_published_where_the_topic_of_publications_is_not_there_yet() -> None:
    class Writer(MemoryWriter):
        def knows(self, topic: str) -> bool:
            return topic != GENERATIONS_PUBLISHED.name

    made = world()
    said: list[str] = []
    done = made.recluster(writer=Writer(made.broker, "another"), log=lambda event, _: said.append(event))
    assert done.generation
    assert done.generation.announced
    assert made.published() == []
    assert made.known_downstream() == made.members()
    assert NOT_ANNOUNCED in said


def last_people(made: World) -> dict[str, ClusterChanged]:
    """Return the last word on each person."""
    return {event.cluster_id: event for event in made.cluster_events()}


def erase(made: World, *names: str) -> None:
    wanted = {f"image of {name}" for name in names}
    erased(made.repository, [image for image in made.repository.images() if image.image_id in wanted])


def test_an_erased_medoid_is_not_the_last_word_where_no_generation_is_published() -> None:
    made = world()
    made.recluster()
    made.job = made.job.model_copy(update={"least_change_faces": 99})
    person = made.members()[NAMES[0]]
    assert person
    medoid = last_people(made)[person].medoid_face_id
    assert medoid
    erase(made, medoid)
    assert made.recluster().outcome is ReclusterOutcome.SKIPPED
    said = last_people(made)[person]
    (cluster,) = [it for it in made.repository.clusters(1) if it.cluster_id == person]
    assert said.medoid_face_id == cluster.medoid_face_id != medoid
    assert (said.change, said.size, said.generation) == (Change.KEPT, 5, 1)
    assert medoid not in {event.medoid_face_id for event in last_people(made).values()}
    assert len(made.published()) == 1, "nothing else has changed"


def test_a_person_without_faces_is_retired_where_no_generation_is_published_and_comes_back_with_a_face() -> None:
    made = world()
    made.recluster()
    made.job = made.job.model_copy(update={"least_change_faces": 99})
    person = made.members()[NAMES[-1]]
    assert person
    erase(made, *NAMES[12:])
    made.recluster()
    said = last_people(made)[person]
    assert (said.change, said.size, said.medoid_face_id) == (Change.RETIRED, 0, None)
    arrive(made, NAMES[12:], 1, person)
    refit_returned(made.repository, made.repository.generation(1), made.repository.memberships(1))
    made.recluster()
    said = last_people(made)[person]
    assert (said.change, said.size) == (Change.KEPT, 4)
    assert said.medoid_face_id in NAMES[12:]


def test_people_are_told_of_anew_once_and_only_where_a_medoid_has_changed() -> None:
    made = world()
    made.recluster()
    made.job = made.job.model_copy(update={"least_change_faces": 99})
    before = made.cluster_events()
    made.recluster()
    assert made.cluster_events() == before
    medoid = before[0].medoid_face_id
    assert medoid
    erase(made, medoid)
    made.repository.pin(1)
    made.recluster()
    after = made.cluster_events()
    assert len(after) == 2 * len(before), "also while it is pinned"
    made.recluster()
    assert made.cluster_events() == after
    records = made.broker.records(CLUSTERS_CHANGED.name)
    assert len({record.headers["ce_id"] for record in records}) == len(records)


def test_a_medoid_that_is_erased_while_people_are_told_of_is_told_by_the_next_run() -> None:
    made = world()
    made.recluster()
    made.job = made.job.model_copy(update={"least_change_faces": 99})
    first = made.cluster_events()[0].medoid_face_id
    assert first
    erase(made, first)

    class Writer(MemoryWriter):
        def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
            done = super().write_if(records, holds)
            present = {face.face_id for face in made.repository.faces()}
            erase(made, *[it.medoid_face_id for it in made.repository.clusters(1) if it.medoid_face_id in present][:1])
            return done

    made.recluster(writer=Writer(made.broker, "another"))
    made.recluster()
    present = {face.face_id for face in made.repository.faces()}
    said = [event.medoid_face_id for event in last_people(made).values() if event.medoid_face_id]
    assert set(said) <= present
    assert len(said) == 3
