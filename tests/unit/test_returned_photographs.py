"""Photographs that are removed and put back: their faces are who they were, in the stream and for a reclustering."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.reclusterer.step import ReclusterOutcome, ReclusterResult
from shared.domain import ids
from shared.domain.events import Box, Cause, EmbeddedFace, FaceAssigned, FacesEmbedded, Photo, Point, Verdict
from shared.domain.events import Outcome as PhotoOutcome
from shared.domain.records import GenerationState, Membership
from shared.domain.topics import FACES_ASSIGNED
from shared.erasure import refit as refitting
from shared.erasure.erase import erase
from tests.support import reclustering
from tests.support.reclustering import people
from tests.support.synthetic_faces import MODEL, embeddings
from tests.unit.test_assigner_processor import World as Assigners

_SIZES = [12, 11, 10, 1, 1]
_START = datetime(2026, 11, 24, tzinfo=UTC)
# Two faces of a person have an inner product of about 0.72: neighbours for a regrouping, which wants 0.70, and often
# not similar enough to the medoid for the assigner, which wants 0.75.
_VECTORS = embeddings(_SIZES, seed=3, noise=0.62)


def _named(number: int) -> str:
    return f"{number:03}.jpg"


_ALL = [_named(number) for number in range(len(_VECTORS))]
_MIDDLE = _ALL[3:6]  # the medoid of the first person, and two that the assigner would not give to it
_THIRD = [_ALL[1], *_MIDDLE]
_FIRST_PERSON = _ALL[: _SIZES[0]]


def _photo(key: str, moment: int, vectors: Sequence[NDArray[np.float32]] | None, content: str = "") -> FacesEmbedded:
    """A photograph of a face for each vector; None: it was removed."""
    object_id = ids.object_id("photos", key)
    etag = "" if vectors is None else f"etag of {key}{content}"
    image_id = ids.image_id(object_id, None, etag or f"{moment}")
    photo = Photo(
        bucket="photos",
        key=key,
        object_id=object_id,
        image_id=image_id,
        etag=etag,
        sequencer=f"{moment:04X}",
        size=1,
        uploaded_at=_START + timedelta(seconds=moment),
    )
    if vectors is None:
        return FacesEmbedded(photo=photo, outcome=PhotoOutcome.REMOVED)
    boxes = [Box(left=place, top=0, width=9, height=9) for place in range(len(vectors))]
    names = [ids.face_id(image_id, "test", box) for box in boxes]
    faces = tuple(
        EmbeddedFace(
            face_id=name,
            box=box,
            score=1,
            landmarks=(Point(x=0, y=0),) * 5,
            crop_key=ids.crop_key(name),
            sharpness=50,
            verdict=Verdict.ACCEPTED,
            vector=vector,
            model_id=MODEL,
        )
        for name, box, vector in zip(names, boxes, vectors, strict=True)
    )
    return FacesEmbedded(photo=photo, outcome=PhotoOutcome.DETECTED, faces=faces)


class Library:
    """A bucket's photographs, the assigner that hears of them, and the reclusterer beside it."""

    def __init__(self) -> None:
        self.assigner = Assigners(batch=5)
        self.repository = self.assigner.repository
        self.grouping = reclustering.World(self.repository, self.assigner.broker)
        self.moment = 0

    def upload(self, keys: Iterable[str], content: str = "") -> None:
        for key in keys:
            self.moment += 1
            self.assigner.arrive(_photo(key, self.moment, [_VECTORS[int(key[:3])]], content))
        self.assigner.run()

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.moment += 1
            self.assigner.arrive(_photo(key, self.moment, None))
        self.assigner.run()

    def recluster(self) -> ReclusterResult:
        return self.grouping.recluster()

    def known_downstream(self) -> Mapping[str, str | None]:
        """Return who is on each photograph, as downstream knows it."""
        return {event.key: event.cluster_id for event in self.assigner.standing().values()}

    def events(self, since: int) -> list[FaceAssigned]:
        records = self.assigner.broker.records(FACES_ASSIGNED.name)[since:]
        return [FaceAssigned.model_validate_json(record.value) for record in records if record.value]

    def count(self) -> int:
        return len(self.assigner.broker.records(FACES_ASSIGNED.name))

    def kept(self, generation: int = 1) -> list[Membership]:
        return list(self.repository.memberships(generation))

    def medoids(self, generation: int = 1) -> list[tuple[str, str, int, bytes, bytes]]:
        return [
            (found.cluster_id, found.medoid_face_id, found.size, found.medoid.tobytes(), found.exemplars.tobytes())
            for found in self.repository.clusters(generation)
        ]


def _grouped() -> Library:
    library = Library()
    library.upload(_ALL)
    library.recluster()
    return library


def test_the_photographs_of_these_tests_show_people_whom_only_a_regrouping_finds() -> None:
    library = _grouped()
    assert len(people(library.grouping.members())) == 3
    key_of = {event.face_id: event.key for event in library.assigner.standing().values()}
    similarity = {key_of[item.face_id]: item.similarity or 0 for item in library.kept()}
    assert similarity[_MIDDLE[0]] == 1
    assert max(similarity[key] for key in _MIDDLE[1:]) < 0.75


@pytest.mark.parametrize("gone", [_THIRD, _FIRST_PERSON, _ALL], ids=["a third of a person", "a person", "everybody"])
def test_photographs_that_come_back_have_the_people_that_they_had(gone: Sequence[str]) -> None:
    library = _grouped()
    before, kept, medoids = library.known_downstream(), library.kept(), library.medoids()
    library.remove(gone)
    assert library.known_downstream() == {key: name for key, name in before.items() if key not in gone}
    told = library.count()
    library.upload(gone)
    assert library.known_downstream() == before
    assert {event.cause for event in library.events(told)} == {Cause.ARRIVED}
    assert library.kept() == kept
    assert library.medoids() == medoids, "what stands for the people is as it was as well"


@pytest.mark.parametrize("gone", [_THIRD, _FIRST_PERSON], ids=["a third of a person", "a person"])
def test_a_regrouping_after_all_came_back_has_nothing_to_do(gone: Sequence[str]) -> None:
    library = _grouped()
    library.remove(gone)
    library.upload(gone)
    told = library.count()
    done = library.recluster()
    assert (done.outcome, done.reason) == (ReclusterOutcome.SKIPPED, "no face came or went")
    assert library.count() == told


@pytest.mark.parametrize("seed", range(8))
def test_in_whatever_order_faces_go_and_come_back_their_people_are_as_they_were(seed: int) -> None:
    library = _grouped()
    before, medoids = library.known_downstream(), library.medoids()
    order = np.random.default_rng(seed)
    gone = [str(key) for key in order.permutation(_FIRST_PERSON)]
    for key in gone[: seed + 5]:
        library.remove([key])
    for key in order.permutation(gone[: seed + 5]):
        library.upload([str(key)])
    assert library.known_downstream() == before
    assert library.medoids() == medoids
    assert library.recluster().reason == "no face came or went"


@pytest.mark.parametrize("gone", [_MIDDLE[:1], _THIRD, _FIRST_PERSON], ids=["the medoid", "a third", "everybody"])
def test_a_person_of_very_many_faces_is_as_before_once_photographs_came_back(
    gone: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refitting, "LARGEST", 2)
    library = _grouped()
    before = [medoid[:4] for medoid in library.medoids()]
    library.remove(gone)
    library.upload(gone)
    assert [medoid[:4] for medoid in library.medoids()] == before
    assert library.recluster().reason == "no face came or went"


def test_a_person_who_went_and_came_back_has_the_parents_that_it_had() -> None:
    library = _grouped()
    library.upload(["033.jpg"], content=", edited")
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    before = {cluster.cluster_id: cluster.parents for cluster in library.repository.clusters(2)}
    assert all(before.values())
    library.remove(_FIRST_PERSON)
    assert len(library.repository.clusters(2)) < len(before)
    library.upload(_FIRST_PERSON)
    assert {cluster.cluster_id: cluster.parents for cluster in library.repository.clusters(2)} == before


def test_faces_come_back_to_the_people_of_whom_the_world_has_heard_not_to_those_of_a_generation_held_back() -> None:
    library = _grouped()
    before = library.known_downstream()
    members = [item for item in library.kept() if item.cluster_id]
    active = library.repository.active_generation()
    assert active
    names = sorted({item.cluster_id or "" for item in members})
    other = dict(zip(names, [*names[1:], names[0]], strict=True))
    library.repository.save_generation(
        replace(active, number=2, state=GenerationState.HELD, published_at=None, announced=False)
    )
    library.repository.save_memberships(
        [replace(item, generation=2, cluster_id=other[item.cluster_id or ""]) for item in members]
    )
    library.remove(_THIRD)
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    library.upload(_THIRD)
    assert library.known_downstream() == before


def test_photographs_are_assigned_once_while_other_assigners_move_medoids() -> None:
    library = _grouped()
    repository: Any = library.repository
    written: list[int] = []
    save = repository.save_memberships

    def saved(memberships: Sequence[Membership]) -> None:
        save(memberships)
        written.append(len(memberships))
        if len(written) < 20:
            repository.revise(1)

    repository.save_memberships = saved
    library.assigner.arrive(_photo("new.jpg", 900, [_VECTORS[0]]))
    library.assigner.run()
    assert written == [1]


def test_where_a_person_went_meanwhile_the_whole_batch_is_assigned_anew() -> None:
    library = _grouped()
    repository: Any = library.repository
    second = _ALL[12:23]
    (name,) = {library.known_downstream()[key] for key in second}
    (cluster,) = repository.clusters(1, [name])
    library.remove(second)
    save = repository.save_memberships

    def saved(memberships: Sequence[Membership]) -> None:
        # Meanwhile another assigner has erased all of one person, and got another one back.
        repository.save_memberships = save
        first = repository.images_of([ids.object_id("photos", key) for key in _FIRST_PERSON])
        erase(repository, [image for images in first.values() for image in images])
        repository.save_clusters([cluster])
        repository.revise(1)
        save(memberships)

    repository.save_memberships = saved
    library.assigner.arrive(_photo("one.jpg", 900, [_VECTORS[3]]), _photo("two.jpg", 901, [cluster.medoid]))
    library.assigner.run()
    heard = library.known_downstream()
    assert heard["one.jpg"] is None
    assert heard["two.jpg"] == name, "that nobody was found at first is nothing that the face had before"


def test_people_are_who_they_were_also_where_a_regrouping_was_made_without_some_of_their_photographs() -> None:
    library = _grouped()
    before = library.known_downstream()
    library.remove(_THIRD)
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    library.upload(_THIRD)
    assert library.known_downstream() == before
    told = library.count()
    done = library.recluster()
    assert done.outcome is ReclusterOutcome.PUBLISHED
    assert library.known_downstream() == before
    assert library.count() == told, "nobody has heard of a change"


def test_a_person_of_whom_a_generation_was_made_without_is_the_same_one_in_the_next() -> None:
    library = _grouped()
    before = library.known_downstream()
    library.remove(_FIRST_PERSON)
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    library.upload(_FIRST_PERSON)
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    assert library.known_downstream() == before


def test_memberships_that_differ_from_what_was_made_are_grouped_anew_though_no_face_came_or_went() -> None:
    library = _grouped()
    expected = library.known_downstream()
    lost = [item for item in library.kept() if item.cluster_id][:3]
    # What earlier versions of this software did to photographs that came back.
    library.repository.save_memberships([Membership(1, item.face_id, None, 0.7, Cause.ARRIVED) for item in lost])
    done = library.recluster()
    assert done.outcome is ReclusterOutcome.PUBLISHED
    assert library.known_downstream() == expected
    assert library.recluster().reason == "no face came or went"


def test_another_medoid_than_the_one_that_was_made_is_a_reason_to_regroup() -> None:
    library = _grouped()
    cluster, *_ = library.repository.clusters(1)
    others = [item.face_id for item in library.kept() if item.cluster_id == cluster.cluster_id]
    others.remove(cluster.medoid_face_id)
    face = library.repository.faces_named(others[:1])[others[0]]
    assert face.vector is not None
    library.repository.save_clusters([replace(cluster, medoid_face_id=face.face_id, medoid=face.vector)])
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    assert library.recluster().reason == "no face came or went"


def test_what_an_earlier_version_made_is_grouped_anew_once_where_faces_came_back_since() -> None:
    library = _grouped()
    active = library.repository.active_generation()
    assert active
    library.repository.save_generation(replace(active, grouping=""))
    assert library.recluster().reason == "no face came or went"
    face_id = library.kept()[0].face_id
    library.repository.save_memberships([Membership(1, face_id, None, None, Cause.ARRIVED)])
    assert library.recluster().outcome is ReclusterOutcome.PUBLISHED
    assert library.recluster().reason == "no face came or went"


def test_a_photograph_that_is_replaced_and_restored_has_the_people_that_it_had() -> None:
    library = _grouped()
    before, kept = library.known_downstream(), library.kept()
    library.upload(_THIRD, content=", edited")
    library.upload(_THIRD)
    assert library.known_downstream() == before
    assert library.kept() == kept


def test_a_photograph_that_is_looked_at_again_keeps_the_people_that_it_has() -> None:
    library = _grouped()
    before, kept = library.known_downstream(), library.kept()
    library.repository._images.clear()  # as an operator does who wants everything processed anew
    library.repository._images_of.clear()
    library.upload(_ALL)
    assert library.known_downstream() == before
    assert library.kept() == kept


def test_going_back_to_an_earlier_generation_gives_people_to_the_faces_that_were_away() -> None:
    library = _grouped()
    before = library.known_downstream()
    library.remove(_FIRST_PERSON)
    library.recluster()
    library.upload(_FIRST_PERSON)
    library.grouping.publish(1)
    assert library.known_downstream() == before
    assert library.grouping.members(1) == {item.face_id: item.cluster_id for item in library.kept()}


def test_a_person_who_went_with_all_photographs_is_told_of_by_the_next_regrouping() -> None:
    library = _grouped()
    (gone,) = {name for key, name in library.known_downstream().items() if key in _FIRST_PERSON}
    library.remove(_FIRST_PERSON)
    library.recluster()
    told = {event.cluster_id: event.change.value for event in library.grouping.cluster_events()}
    assert told[gone or ""] == "retired"


def test_nobody_is_twice_on_a_photograph_that_comes_back_with_one_face_less() -> None:
    library = Library()
    library.upload(_ALL)
    pair = [_VECTORS[0], _VECTORS[12]]
    library.assigner.arrive(_photo("pair.jpg", 900, pair))
    library.assigner.run()
    library.recluster()
    both = {event.box.left: event.cluster_id for event in library.assigner.standing().values() if event.key[0] == "p"}
    assert len(set(both.values()) - {None}) == 2
    library.assigner.arrive(_photo("pair.jpg", 901, None), _photo("pair.jpg", 902, pair[:1]))
    library.assigner.run()
    library.assigner.arrive(_photo("pair.jpg", 903, None), _photo("pair.jpg", 904, pair))
    library.assigner.run()
    again = {event.box.left: event.cluster_id for event in library.assigner.standing().values() if event.key[0] == "p"}
    assert again == both


@pytest.mark.parametrize("death", range(2, 176, 3))
def test_a_photograph_comes_back_to_its_people_wherever_the_assigner_is_killed(death: int) -> None:
    library = _grouped()
    before, kept, medoids = library.known_downstream(), library.kept(), library.medoids()
    told = library.count()
    library.assigner.calls.clear()
    library.assigner.deaths = frozenset({death})
    library.remove(_MIDDLE)
    library.upload(_MIDDLE)
    assert library.known_downstream() == before
    assert library.kept() == kept
    assert library.medoids() == medoids
    assert library.count() == told + 6, "three tombstones and three assignments, each once"
