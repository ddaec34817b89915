"""No vector stays that was derived from an erased face: what stands for its cluster is computed anew."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.reclusterer.generations import build as building
from services.reclusterer.step import ReclusterOutcome
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.events import Cause
from shared.domain.events import Outcome as PhotoOutcome
from shared.domain.records import Cluster, FaceRecord, GenerationState, Membership
from shared.erasure import refit as refitting
from shared.erasure.erase import erase
from shared.erasure.refit import refit, refit_bereft
from shared.ports.repository import FaceRepository
from tests.support.reclustering import Killed, Watched, World, add_faces, add_photos, image_record
from tests.support.synthetic_faces import embeddings, face_record

_SIZES = [7, 6]
_VECTORS = embeddings(_SIZES)
_NAMES = [f"{number:03}" for number in range(sum(_SIZES))]


@pytest.fixture(params=["memory", "sqlite"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterable[FaceRepository]:
    if request.param == "memory":
        yield MemoryRepository()
    else:
        with SqliteRepository(tmp_path / "x.db") as found:
            yield found


@pytest.fixture
def world(repository: FaceRepository) -> World:
    """Two people in two generations, the first of which nobody uses any more."""
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    add_photos(repository, embeddings([1], seed=9), ["900"], 1)
    assert made.recluster().outcome is ReclusterOutcome.PUBLISHED
    return made


def _erase(repository: FaceRepository, *names: str) -> Sequence[FaceRecord]:
    return erase(repository, [image_record(f"image of {name}") for name in names])


def _vector(name: str) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = embeddings([1], seed=9)[0] if name == "900" else _VECTORS[int(name)]
    return vector


def _of_first_person(repository: FaceRepository, generation: int = 2) -> Cluster:
    members = repository.memberships_of(generation, _NAMES[:7]).values()
    (name,) = {item.cluster_id for item in members}
    (cluster,) = repository.clusters(generation, [name or ""])
    return cluster


def _expected(names: Sequence[str]) -> tuple[str, NDArray[np.float64]]:
    """Return the medoid of faces, and the direction of their mean."""
    vectors = np.stack([_vector(name) for name in names]).astype(np.float64)
    sums = np.linalg.norm(vectors[:, None] - vectors, axis=2).sum(axis=1)
    return names[int(sums.argmin())], vectors.sum(axis=0) / np.linalg.norm(vectors.sum(axis=0))


def _check(repository: FaceRepository, names: Sequence[str]) -> None:
    medoid, mean = _expected(names)
    for number in (1, 2):
        cluster = _of_first_person(repository, number)
        assert cluster.medoid_face_id == medoid
        assert cluster.medoid.tobytes() == _vector(medoid).tobytes()
        assert np.allclose(cluster.exemplars, mean[None], rtol=0, atol=1e-6)
        assert cluster.size == len(names)


def test_the_next_best_member_takes_the_place_of_an_erased_medoid_in_every_generation(world: World) -> None:
    left = _NAMES[:7]
    _check(world.repository, left)
    while len(left) > 1:
        medoid, _ = _expected(left)
        left = [name for name in left if name != medoid]
        removed = _erase(world.repository, medoid)
        assert [face.face_id for face in removed] == [medoid]
        _check(world.repository, left)


def test_the_mean_is_that_of_the_faces_that_are_left_whoever_is_erased(world: World) -> None:
    medoid, _ = _expected(_NAMES[:7])
    gone = next(name for name in _NAMES[:7] if name != medoid)
    _erase(world.repository, gone)
    _check(world.repository, [name for name in _NAMES[:7] if name != gone])


def test_a_cluster_of_which_nobody_is_left_is_removed_and_the_others_stay(world: World) -> None:
    others = [cluster for cluster in world.repository.clusters(2) if cluster.medoid_face_id not in _NAMES[:7]]
    _erase(world.repository, *_NAMES[:7])
    for number in (1, 2):
        (found,) = world.repository.clusters(number)
        assert found.medoid_face_id == others[0].medoid_face_id
        assert found.exemplars.tobytes() == others[0].exemplars.tobytes()


def test_faces_that_came_later_stand_for_a_person_only_where_no_other_is_left(world: World) -> None:
    name = _of_first_person(world.repository).cluster_id
    late = embeddings([7, 6], seed=0)[0]
    add_faces(world.repository, [face_record("800", late)], 2, name)
    _erase(world.repository, *_NAMES[1:7])
    assert _of_first_person(world.repository).medoid_face_id == "000"
    _erase(world.repository, "000")
    (cluster,) = world.repository.clusters(2, [name])
    assert cluster.medoid_face_id == "800"


def test_a_revision_is_counted_where_a_medoid_changes_and_not_where_only_a_mean_does(world: World) -> None:
    medoid, _ = _expected(_NAMES[:7])
    other = next(name for name in _NAMES[:7] if name != medoid)
    still = _expected([name for name in _NAMES[:7] if name != other])[0] == medoid
    before = [found.revision for found in world.repository.generations()]
    _erase(world.repository, other)
    assert ([found.revision for found in world.repository.generations()] == before) is still
    _erase(world.repository, _of_first_person(world.repository).medoid_face_id)
    assert all(now.revision > was for now, was in zip(world.repository.generations(), before, strict=True))


def test_nothing_of_an_erased_vector_is_in_any_row(tmp_path: Path) -> None:
    with SqliteRepository(tmp_path / "x.db") as repository:
        made = World(repository)
        add_photos(repository, _VECTORS, _NAMES)
        made.recluster()
        medoid, _ = _expected(_NAMES[:7])
        mean = _of_first_person(repository, 1).exemplars.tobytes()
        assert _rows_with(repository, _vector(medoid).tobytes()) == 2, "of the face, and of its cluster"
        _erase(repository, medoid)
        assert _rows_with(repository, _vector(medoid).tobytes()) == 0
        assert _rows_with(repository, mean) == 0


def _rows_with(repository: SqliteRepository, data: bytes) -> int:
    tables = [name for (name,) in repository._file.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = [row for table in tables for row in repository._file.rows(f"SELECT * FROM {table}")]  # noqa: S608  its own
    return sum(any(isinstance(value, bytes) and data in value for value in row) for row in rows)


def test_what_is_kept_of_an_erased_face_goes_with_the_generations(world: World) -> None:
    _erase(world.repository, "000")
    assert {item.generation for item in world.repository.former_memberships(["000"])["000"]} == {1, 2}
    world.repository.remove_generation(1)
    assert {item.generation for item in world.repository.former_memberships(["000"])["000"]} == {2}


def test_erasing_again_changes_nothing(world: World) -> None:
    _erase(world.repository, "000", "001")
    before = _content(world.repository)
    assert list(_erase(world.repository, "000", "001")) == []
    assert _content(world.repository) == before


def _content(repository: FaceRepository) -> list[object]:
    found: list[object] = [*repository.images(), *(face.face_id for face in repository.faces())]
    for number in (1, 2):
        found += repository.memberships(number)
        found += [
            (item.cluster_id, item.medoid_face_id, item.medoid.tobytes(), item.exemplars.tobytes(), item.size)
            for item in repository.clusters(number)
        ]
    return found


@pytest.mark.parametrize("death", range(1, 24))
def test_wherever_a_process_dies_the_next_one_erases_the_rest(death: int) -> None:
    repository = MemoryRepository()
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    names = [_expected(_NAMES[:7])[0], _NAMES[8]]
    images = [image_record(f"image of {name}") for name in names]

    def die(number: int, _name: str) -> None:
        if number == death:
            raise Killed

    dying: Any = Watched(repository, after=die)
    try:
        erase(dying, images)
    except Killed:
        # Whoever starts erases what is marked; what is not marked yet is told again, or seen again.
        marked = [image for image in repository.images(PhotoOutcome.REMOVED) if repository.faces_of([image.image_id])]
        erase(repository, marked)
        if not marked:
            erase(repository, images)
    vectors = {vector.tobytes() for name in names for vector in [_vector(name)]}
    clusters = repository.clusters(1)
    assert len(clusters) == 2
    assert not any(found.medoid.tobytes() in vectors for found in clusters)
    for cluster in clusters:
        members = repository.members(1, cluster.cluster_id, Cause.RECLUSTERED, 99)
        assert np.allclose(cluster.exemplars[0], _expected(members)[1], rtol=0, atol=1e-6)


def test_of_two_who_erase_at_once_nobody_brings_back_what_the_other_has_erased() -> None:
    repository = MemoryRepository()
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    first, _ = _expected(_NAMES[:7])
    second, _ = _expected([name for name in _NAMES[:7] if name != first])
    calls: list[int] = []

    def other(_number: int, name: str) -> None:
        # The first has read who is left, and is about to write it.
        if name == "faces_named" and not calls:
            calls.append(1)
            _erase(repository, second)

    slow: Any = Watched(repository, after=other)
    _erase(slow, first)
    left = [name for name in _NAMES[:7] if name not in {first, second}]
    medoid, mean = _expected(left)
    cluster = _of_first_person(repository, 1)
    assert cluster.medoid_face_id == medoid
    assert np.allclose(cluster.exemplars[0], mean, rtol=0, atol=1e-6)


def test_a_generation_that_is_removed_meanwhile_does_not_come_back(world: World) -> None:
    generation = world.repository.generation(1)
    name = _of_first_person(world.repository, 1).cluster_id
    world.repository.remove_memberships(1, ["000", "001", "002"])

    def remove(_number: int, called: str) -> None:
        if called == "faces_named":
            world.repository.remove_generation(1)

    slow: Any = Watched(world.repository, after=remove)
    refit(slow, generation, [name])
    assert list(world.repository.clusters(1)) == []


def test_faces_of_another_model_do_not_stand_for_a_person(world: World) -> None:
    medoid, _ = _expected(_NAMES[:7])
    others = [name for name in _NAMES[:7] if name != medoid]
    anew = [replace(face_record(name, _vector(name)), model_id="another") for name in others[1:]]
    world.repository.save_faces(anew)
    _erase(world.repository, medoid)
    assert _of_first_person(world.repository).medoid_face_id == others[0]


def test_of_very_many_faces_the_first_ones_stand_for_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refitting, "LARGEST", 4)
    medoid, _ = _expected(_NAMES[:7])
    left = [name for name in _NAMES[:7] if name != medoid]
    _erase(world.repository, medoid)
    cluster = _of_first_person(world.repository)
    assert cluster.medoid_face_id == _expected(left[:4])[0]
    assert cluster.size == 6


def test_a_medoid_is_looked_for_only_where_it_was_erased(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    medoid, _ = _expected(_NAMES[:7])
    gone = [name for name in _NAMES[:7] if name != medoid][:4]
    monkeypatch.delattr(refitting, "medoid_of")
    _erase(world.repository, *gone)
    cluster = _of_first_person(world.repository)
    assert (cluster.medoid_face_id, cluster.size) == (medoid, 3)
    with pytest.raises(NameError):
        _erase(world.repository, medoid)


def test_of_very_many_faces_few_are_read_and_the_medoid_stays_wherever_it_stands(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refitting, "LARGEST", 2)
    medoid, _ = _expected(_NAMES[:7])
    gone, *left = [name for name in _NAMES[:7] if name != medoid]
    read: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.repository, name)

        def faces_named(self, face_ids: Sequence[str]) -> Any:
            read.append(len(face_ids))
            return world.repository.faces_named(face_ids)

    counting: Any = Counting()
    _erase(counting, gone)
    cluster = _of_first_person(world.repository)
    assert (cluster.medoid_face_id, cluster.size) == (medoid, 6)
    assert read
    assert max(read) <= 3
    assert np.allclose(
        cluster.exemplars[0], _expected(sorted({*sorted([*left, medoid])[:2], medoid}))[1], rtol=0, atol=1e-6
    )


def test_what_earlier_versions_left_of_erased_medoids_goes_at_the_next_regrouping(world: World) -> None:
    medoid, _ = _expected(_NAMES[:7])
    world.repository.remove_images([f"image of {medoid}"])
    assert _of_first_person(world.repository).medoid_face_id == medoid
    assert refit_bereft(world.repository)
    _check(world.repository, [name for name in _NAMES[:7] if name != medoid])
    assert not refit_bereft(world.repository)


def _at_first(name: str, act: Callable[[], object]) -> Callable[[int, str], None]:
    done: list[str] = []

    def step(_number: int, called: str) -> None:
        if called == name and not done:
            done.append(called)
            act()

    return step


@pytest.mark.parametrize("largest_loss", [1.0, 0.0], ids=["published", "held"])
def test_a_generation_has_no_vector_of_a_face_that_was_erased_while_it_was_made(largest_loss: float) -> None:
    repository = MemoryRepository()
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    medoid, _ = _expected(_NAMES[:7])
    # So that the guard has something to object to, or not: somebody is no longer known.
    add_photos(repository, embeddings([1], seed=9), ["900"], 1)
    repository.save_memberships([Membership(1, "900", _of_first_person(repository, 1).cluster_id, 0.8, Cause.ARRIVED)])
    made.job = made.job.model_copy(update={"largest_loss": largest_loss})
    slow = World(
        Watched(repository, before=_at_first("save_clusters", lambda: _erase(repository, medoid))),
        made.broker,
        job=made.job,
    )
    done = slow.recluster()
    assert done.outcome is (ReclusterOutcome.PUBLISHED if largest_loss else ReclusterOutcome.HELD)
    assert done.generation
    found = repository.generation(2)
    assert found
    assert found.state is (GenerationState.ACTIVE if largest_loss else GenerationState.HELD)
    assert medoid not in {item.medoid_face_id for item in repository.clusters(2)}
    assert not any(_vector(medoid).tobytes() == item.medoid.tobytes() for item in repository.clusters(2))
    assert medoid not in {item.face_id for item in repository.memberships(2)}


def test_an_erasure_while_a_generation_is_written_leaves_no_person_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_BLOCK", 1)
    repository = MemoryRepository()
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    add_photos(repository, embeddings([1], seed=9), ["900"], 1)
    slow = World(
        Watched(repository, after=_at_first("save_memberships", lambda: _erase(repository, "000"))), made.broker
    )
    assert slow.recluster().outcome is ReclusterOutcome.PUBLISHED
    members = Counter(item.cluster_id for item in repository.memberships(2) if item.cluster_id)
    assert {item.cluster_id: item.size for item in repository.clusters(2)} == members
    _, mean = _expected(_NAMES[1:7])
    cluster = _of_first_person(repository)
    assert cluster.medoid_face_id in _NAMES[1:7]
    assert np.allclose(cluster.exemplars[0], mean, rtol=0, atol=1e-6)


def test_readers_never_see_a_vector_that_was_erased_while_a_generation_was_written() -> None:
    repository = MemoryRepository()
    made = World(repository)
    add_photos(repository, _VECTORS, _NAMES)
    made.recluster()
    add_photos(repository, embeddings([1], seed=9), ["900"], 1)
    medoid, _ = _expected(_NAMES[:7])
    seen: list[set[str]] = []

    def look(_number: int, name: str) -> None:
        if name == "activate":
            seen.append({item.medoid_face_id for item in repository.clusters(2)})

    erasing = _at_first("save_memberships", lambda: _erase(repository, medoid))
    slow = World(Watched(repository, before=erasing, after=look), made.broker)
    assert slow.recluster().outcome is ReclusterOutcome.PUBLISHED
    assert seen
    assert not any(medoid in medoids for medoids in seen)
