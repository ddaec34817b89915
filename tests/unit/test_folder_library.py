"""What a run makes of a folder in which files were touched, renamed, copied, overwritten, or are away."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.standalone.settings import StandaloneSettings
from shared.adapters.folder import files, walk
from shared.adapters.folder import store as folder_store
from shared.adapters.folder.store import FolderStore
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.ids import object_id
from shared.domain.records import Generation
from shared.errors import InvalidInput
from shared.photos.photo_names import Reason
from tests.support.folder_world import World, photo
from tests.support.reclustering import Killed

NAMES = ("anna", "ben", "carla")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three people on six photographs each, in a folder for each, and a run over them."""
    world = World(tmp_path)
    for name in NAMES:
        for number in range(6):
            world.put(f"{name}/{number}.jpg", photo(name, number=number))
    world.run()
    world.decoded.clear()
    return world


def by_number(world: World, name: str) -> dict[str, dict[str, str | None]]:
    return {key.rpartition("/")[2]: faces for key, faces in world.people().items() if key.startswith(f"{name}/")}


def test_the_people_of_the_world_are_found(world: World) -> None:
    people = {
        name: {cluster for faces in by_number(world, name).values() for cluster in faces.values()} for name in NAMES
    }
    assert all(len(found) == 1 and None not in found for found in people.values())
    assert len(set.union(*people.values())) == 3


def test_files_of_other_times_are_the_same_photographs(world: World) -> None:
    before = world.people()
    for path in world.photos.rglob("*.jpg"):
        os.utime(path, (1_000_000, 1_000_000))
    world.run()
    assert (world.people(), world.decoded) == (before, [])


def test_a_library_on_another_disk_is_the_same(world: World) -> None:
    before = world.people()
    shutil.copytree(world.photos, world.folder / "copy", copy_function=shutil.copy)
    shutil.rmtree(world.photos)
    (world.folder / "copy").rename(world.photos)
    world.run()
    assert (world.people(), world.decoded) == (before, [])


def test_a_renamed_folder_keeps_its_faces_and_people(world: World) -> None:
    before = by_number(world, "anna")
    (world.photos / "anna").rename(world.photos / "holidays")
    changes = world.run()
    assert (changes.renamed, changes.forgotten, changes.away) == (6, 0, [])
    assert (by_number(world, "holidays"), by_number(world, "anna")) == (before, {})
    assert not world.decoded


def test_a_renamed_photograph_has_the_object_id_of_its_key_in_every_record(world: World) -> None:
    (world.photos / "anna" / "0.jpg").rename(world.photos / "z.jpg")
    world.run()

    def ids(repository: SqliteRepository) -> list[tuple[str, str, set[str]]]:
        faces = repository.faces_of([image.image_id for image in repository.images()])
        return [
            (image.key, image.object_id, {face.object_id for face in faces[image.image_id]})
            for image in repository.images()
        ]

    for key, of_image, of_faces in world.read(ids):
        assert of_faces == {of_image} == {object_id("photos", key)}


def test_two_files_that_change_names_keep_their_own_people(world: World) -> None:
    before = world.people()
    one, two, aside = (world.photos / name for name in ("anna/0.jpg", "ben/0.jpg", "aside"))
    for source, target in ((one, aside), (two, one), (aside, two)):
        source.rename(target)
    world.run()
    after = world.people()
    assert (after.pop("anna/0.jpg"), after.pop("ben/0.jpg")) == (before.pop("ben/0.jpg"), before.pop("anna/0.jpg"))
    assert (after, world.decoded) == (before, [])


def test_equal_bytes_count_once_under_however_many_names(world: World) -> None:
    before = world.people()
    shutil.copy(world.photos / "anna/0.jpg", world.photos / "a copy.jpg")
    os.link(world.photos / "anna/1.jpg", world.photos / "a link.jpg")
    assert world.run().copies == 2
    assert (world.people(), world.decoded) == (before, [])
    (world.photos / "anna/0.jpg").unlink()
    changes = world.run()
    assert (changes.copies, changes.renamed, changes.forgotten) == (1, 1, 0)
    assert world.people() == {"a copy.jpg": before.pop("anna/0.jpg"), **before}


def test_copies_in_the_first_run_are_decoded_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in ("b.jpg", "a.jpg", "c/d.jpg"):
        world.put(name, photo("anna"))
    assert world.run().copies == 2
    assert world.decoded == [photo("anna")]
    assert list(world.people()) == ["a.jpg"]


def test_an_edit_that_keeps_size_and_time_is_seen(world: World) -> None:
    path = world.photos / "anna" / "0.jpg"
    times = path.stat()
    path.write_bytes(photo("anna", number=9))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    world.run()
    assert world.decoded == [photo("anna", number=9)]
    assert len(by_number(world, "anna")["0.jpg"]) == 1


def test_an_edit_that_no_time_tells_of_is_seen_by_a_rescan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.photos / "anna" / "0.jpg"
    told = walk._info(path, "anna/0.jpg")
    path.write_bytes(photo("anna", number=9))
    info = walk._info
    monkeypatch.setattr(walk, "_info", lambda at, key: told if at == path else info(at, key))
    world.run()
    assert not world.decoded
    world.run(rescan=True)
    assert world.decoded == [photo("anna", number=9)]


def test_an_overwritten_photograph_loses_its_old_faces(world: World) -> None:
    before = world.people()
    world.put("anna/0.jpg", photo("ben", number=50))
    world.run()
    after = world.people()
    assert after["anna/0.jpg"].keys().isdisjoint(before["anna/0.jpg"])
    world.put("anna/0.jpg", (world.photos / "ben" / "1.jpg").read_bytes())
    world.run()
    assert world.people() == {key: faces for key, faces in before.items() if key != "anna/0.jpg"}


def test_a_folder_that_is_away_for_one_run_changes_nothing(world: World) -> None:
    before = world.people()
    (world.photos / "anna").rename(world.folder / "away")
    changes = world.run(recluster=True)
    assert (len(changes.away), changes.forgotten) == (6, 0)
    assert world.people() == before
    (world.folder / "away").rename(world.photos / "anna")
    assert not world.run(recluster=True).away
    assert (world.people(), world.decoded) == (before, [])


def test_an_empty_folder_where_photographs_were_is_away(world: World) -> None:
    before = world.people()
    shutil.rmtree(world.photos / "anna")
    (world.photos / "anna").mkdir()
    assert len(world.run().away) == 6
    assert world.people() == before


def test_a_link_whose_target_is_away_is_away_even_if_missing_ones_are_to_be_forgotten(world: World) -> None:
    before = world.people()
    (world.photos / "anna").rename(world.folder / "disk")
    (world.photos / "anna").symlink_to(world.folder / "disk")
    assert not world.run().away
    (world.folder / "disk").rename(world.folder / "unplugged")
    world.settings = StandaloneSettings(processes=1, forget_missing=True)
    world.run()
    assert {**world.people(), "anna": {}} == {**before, "anna": {}}
    (world.folder / "unplugged").rename(world.folder / "disk")
    world.run()
    assert world.people() == before


def test_a_large_part_of_a_folder_that_is_missing_at_once_is_away(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(40):
        world.put(f"{number}.jpg", photo("anna", number=number))
    world.run()
    before = world.people()
    for number in range(11):
        (world.photos / f"{number}.jpg").unlink()
    assert len(world.run().away) == 11
    assert world.people() == before
    world.settings = StandaloneSettings(processes=1, forget_missing=True)
    assert world.run().forgotten == 11
    assert len(world.people()) == 29


def test_single_photographs_that_were_deleted_are_forgotten_with_faces_and_crops(world: World) -> None:
    before = world.people()
    crops = {path.stem for path in (world.folder / "result" / "crops").iterdir()}
    (world.photos / "anna" / "0.jpg").unlink()
    assert world.run().forgotten == 1
    gone = before.pop("anna/0.jpg")
    assert world.people() == before
    assert {path.stem for path in (world.folder / "result" / "crops").iterdir()} == crops - gone.keys()


def test_a_photograph_that_was_deleted_and_comes_back_gets_back_what_it_had(world: World) -> None:
    before = world.people()
    for number in range(3):
        (world.photos / "anna" / f"{number}.jpg").unlink()
    assert world.run().forgotten == 3
    for number in range(3):
        world.put(f"anna/{number}.jpg", photo("anna", number=number))
    world.run()
    assert world.people() == before


def test_no_photograph_at_all_is_refused(world: World) -> None:
    world.photos.rename(world.folder / "elsewhere")
    world.photos.mkdir()
    with pytest.raises(InvalidInput, match="found none; is a disk not mounted"):
        world.run()
    world.settings = StandaloneSettings(processes=1, forget_missing=True)
    assert world.run().forgotten == 18


def test_what_the_system_refused_is_tried_again_in_each_run(world: World) -> None:
    link = world.photos / "late.jpg"
    link.symlink_to(world.folder / "target.jpg")
    assert world.run().refused == {"late.jpg": "a link that leads nowhere"}
    assert world.run().refused
    (world.folder / "target.jpg").write_bytes(photo("anna", number=70))
    assert not world.run().refused
    assert world.people()["late.jpg"]
    (world.folder / "target.jpg").unlink()
    assert world.run().refused
    assert world.people()["late.jpg"], "a passing failure is no outcome"


@pytest.mark.parametrize("raised", [{"max_megapixels": 300.0}, {"memory": 1 << 30}], ids=["pixels", "memory"])
def test_what_the_bytes_are_is_not_tried_again_until_decoders_or_limits_change(
    raised: dict[str, float], world: World
) -> None:
    world.put("broken.jpg", b"half a photograph")
    for _ in range(2):
        world.run()
    assert world.decoded == [b"half a photograph"]
    world.detector = world.detector.model_copy(update=raised)
    world.run()
    assert world.decoded == [b"half a photograph"] * 2


def test_photographs_over_a_limit_are_read_when_it_rises(world: World) -> None:
    world.put("large.jpg", photo("anna", number=7) + b" " * 100)
    limited, world.detector = world.detector, world.detector.model_copy(update={"max_bytes": 50})
    world.run()
    assert not world.people()["large.jpg"]
    world.detector = limited
    world.run()
    assert world.people()["large.jpg"]


def test_what_is_removed_between_listing_and_reading_is_missed_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.people()
    world.put("anna/0.jpg", photo("anna", number=88))
    read = files.content

    def removed(path: Path, size: int = -1) -> bytes:
        if path == world.photos / "anna" / "0.jpg":
            path.unlink()
        return read(path, size)

    monkeypatch.setattr(folder_store, "content", removed)
    assert not world.run().refused
    assert world.people() == before
    assert world.run().forgotten == 1


def test_files_that_are_no_photographs_are_passed_over_by_reason_and_odd_names_are_opened_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    head = FolderStore.head

    def counted(self: FolderStore, bucket: str, key: str, size: int) -> bytes:
        opened.append(key)
        return head(self, bucket, key, size)

    monkeypatch.setattr(FolderStore, "head", counted)
    world.put("anna/clip.mov", b"a video")
    world.put("anna/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", photo("anna", number=0))
    world.put("anna/notes.weird", b"words and words")
    for _ in range(2):
        found = world.run().passed_over
        assert found == {Reason.VIDEO: 1, Reason.KEPT: 1, Reason.NOT_A_PICTURE: 1}
    assert opened == ["anna/notes.weird"]
    shown = world.read(lambda repository: dict(repository.file_index().passed_over()))
    assert shown["anna/clip.mov"] == "video (.mov)"
    assert shown["anna/notes.weird"] == "not a picture (text)"
    (world.photos / "anna" / "clip.mov").unlink()
    world.run()
    assert "anna/clip.mov" not in world.read(lambda repository: dict(repository.file_index().passed_over()))


def test_photographs_that_a_setting_passes_over_now_are_forgotten_unless_they_are_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.people()
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "ben:carla")
    assert len(world.run().away) == 12
    assert world.people() == before
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "anna")
    changes = world.run()
    assert (changes.left_out, changes.forgotten) == (6, 0)
    assert not by_number(world, "anna")


def test_a_copy_that_was_cut_off_becomes_a_copy_when_it_is_whole(world: World) -> None:
    before = world.people()
    world.put("copy.jpg", b"ann")
    world.run()
    shutil.copy(world.photos / "anna" / "0.jpg", world.photos / "copy.jpg")
    world.run()
    assert world.people() == before
    assert world.decoded == [b"ann"]


def test_a_first_run_over_few_photographs_decides_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put("0.jpg", photo("anna", number=0))
    world.run()
    for name in NAMES:
        for number in range(1, 5):
            world.put(f"{name}/{number}.jpg", photo(name, number=number))
    world.run()
    assert all(None not in faces.values() for key, faces in world.people().items())


def test_people_of_less_than_half_of_the_faces_are_made_anew(world: World) -> None:
    def number(repository: SqliteRepository) -> int:
        found = repository.active_generation()
        assert isinstance(found, Generation)
        return found.number

    for place in range(17):
        world.put(f"dora/{place}.jpg", photo("dora", number=place))
    world.run()
    assert world.read(number) == 1
    for place in range(17, 20):
        world.put(f"dora/{place}.jpg", photo("dora", number=place))
    world.run()
    assert world.read(number) == 2
    assert None not in {cluster for faces in by_number(world, "dora").values() for cluster in faces.values()}


def test_people_who_went_with_their_photographs_get_no_faces_of_later_batches(tmp_path: Path) -> None:
    world = World(tmp_path)
    for number in range(4):
        world.put(f"anna/{number}.jpg", photo("anna", number=number))
        world.put(f"ben/{number}.jpg", photo("ben", number=number))
    world.run()
    for number in range(4):
        world.put(f"anna/{number}.jpg", photo("carla", number=40 + number))
    world.put("z.jpg", photo("anna", number=70))
    world.run()
    clusters = world.read(lambda repository: {cluster.cluster_id for cluster in repository.clusters(1)})
    members = {cluster for faces in world.people().values() for cluster in faces.values()} - {None}
    assert members <= clusters


def test_a_photograph_whose_first_name_is_passed_over_goes_on_under_another_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = by_number(world, "anna")
    shutil.copytree(world.photos / "anna", world.photos / "copies")
    world.run()
    monkeypatch.setenv("FACESTREAM_PHOTOS_IGNORE", "anna")
    assert not world.run().away
    assert (by_number(world, "copies"), by_number(world, "anna")) == (before, {})


def test_a_copy_that_is_away_keeps_a_photograph_whose_first_file_was_deleted(world: World) -> None:
    before = world.people()
    shutil.copytree(world.photos / "anna", world.photos / "copies")
    world.run()
    (world.photos / "copies").rename(world.folder / "away")
    (world.photos / "anna" / "0.jpg").unlink()
    world.run()
    after = world.people()
    assert after.pop("copies/0.jpg") == before.pop("anna/0.jpg")
    assert after == before


def test_what_was_decoded_stays_when_a_limit_falls(world: World) -> None:
    before = world.people()
    world.detector = world.detector.model_copy(update={"max_bytes": 3})
    for path in world.photos.rglob("*.jpg"):
        os.utime(path, (1_000_000, 1_000_000))
    (world.photos / "anna").rename(world.photos / "annas")
    world.run()
    assert world.people() == {key.replace("anna/", "annas/"): faces for key, faces in before.items()}
    world.run(rescan=True)
    assert world.people() == {key.replace("anna/", "annas/"): faces for key, faces in before.items()}


@pytest.mark.parametrize("damaged", [lambda _: b"\0" * 6, lambda data: data.replace(b"#", b"_")])
def test_a_library_that_is_zeros_or_halves_all_at_once_is_kept(world: World, damaged: Callable[[bytes], bytes]) -> None:
    before, whole = world.people(), {path: path.read_bytes() for path in world.photos.rglob("*.jpg")}
    for path, data in whole.items():
        path.write_bytes(damaged(data))
    for _ in range(2):
        assert len(world.run().spoilt) == 18
        assert world.people() == before
    for path, data in whole.items():
        path.write_bytes(data)
    assert not world.run().spoilt
    assert world.people() == before


def test_one_photograph_that_is_damaged_loses_its_faces(world: World) -> None:
    world.put("anna/0.jpg", b"half a photograph")
    assert not world.run().spoilt
    assert world.people()["anna/0.jpg"] == {}


def test_crops_that_a_killed_run_has_left_are_removed_by_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = world.folder / "result" / "crops"
    before = {path.name for path in crops.iterdir()}
    own = crops / "a crop of mine.png"
    own.write_bytes(b"mine")
    world.put("more/0.jpg", photo("anna", number=60))
    with monkeypatch.context() as patch:
        patch.setattr(SqliteRepository, "save_images", killed)
        with pytest.raises(Killed):
            world.run()
    assert len(list(crops.iterdir())) == len(before) + 2
    (world.photos / "more" / "0.jpg").unlink()
    world.run()
    assert {path.name for path in crops.iterdir()} == {*before, own.name}


def killed(*_: object) -> None:
    raise Killed


def test_crops_stay_while_their_photographs_do_whenever_a_run_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = sorted((world.folder / "result" / "crops").iterdir())
    before = (world.photos / "anna" / "0.jpg").read_bytes()
    world.put("anna/0.jpg", photo("ben", number=80))
    with monkeypatch.context() as patch:
        patch.setattr(SqliteRepository, "remove_images", killed)
        with pytest.raises(Killed):
            world.run()
    (world.photos / "anna" / "0.jpg").write_bytes(before)
    world.run()
    assert sorted((world.folder / "result" / "crops").iterdir()) == crops


def test_a_folder_link_with_the_ending_of_another_kind_is_away_as_any_other(world: World) -> None:
    (world.photos / "anna").rename(world.folder / "disk")
    (world.photos / "family.db").symlink_to(world.folder / "disk")
    world.run()
    before = world.people()
    (world.folder / "disk").rename(world.folder / "unplugged")
    world.settings = StandaloneSettings(processes=1, forget_missing=True)
    world.run()
    assert world.people() == before


def test_files_that_were_never_decoded_are_not_missed(world: World) -> None:
    world.put("anna/empty.jpg", b"")
    world.run()
    (world.photos / "anna").rename(world.photos / "holidays")
    changes = world.run()
    assert (changes.renamed, changes.away) == (6, [])
    assert "anna/empty.jpg" not in world.people()


def test_deleted_copies_are_not_told_as_renamed(world: World) -> None:
    shutil.copytree(world.photos / "anna", world.photos / "copies")
    world.run()
    shutil.rmtree(world.photos / "copies")
    changes = world.run()
    assert (changes.renamed, changes.forgotten, changes.copies, changes.away) == (0, 0, 0, [])


def test_a_file_that_the_system_refuses_is_not_decoded_in_each_run(world: World) -> None:
    (world.photos / "late.jpg").symlink_to(world.folder / "target.jpg")
    world.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.standalone.intake.Intake.add", killed)
        assert world.run().refused == {"late.jpg": "a link that leads nowhere"}


_OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "edit", "touch", "rename", "copy", "swap", "delete", "hide", "show", "run"]),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_OPERATIONS)
def test_every_photograph_that_is_there_is_known_once_and_keeps_its_people(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int, int]]
) -> None:
    world = World(tmp_path_factory.mktemp("world"), StandaloneSettings(processes=1, recluster_below=0))
    for name in NAMES[:2]:
        for number in range(4):
            world.put(f"{name}/{number}.jpg", photo(name, number=number))
    world.run()
    who = {data: set(faces.values()) for data, faces in _contents(world).items()}
    for kind, one, two in [*operations, ("show", 0, 0), ("run", 0, 0)]:
        files = sorted(path for path in world.photos.rglob("*.jpg"))
        if kind == "run":
            if files:
                world.run()
                now = _contents(world)
                on_disk = {path.read_bytes() for path in files}
                assert on_disk <= now.keys()
                for data, faces in now.items():
                    assert who.setdefault(data, set(faces.values())) == set(faces.values())
            continue
        _do(world, kind, one, two)


def _contents(world: World) -> dict[bytes, dict[str, str | None]]:
    """The faces of each photograph by its bytes; each is there once. What is away is known by its MD5 alone."""
    found: dict[bytes, dict[str, str | None]] = {}
    for key, faces in world.people().items():
        path = world.photos / key
        if path.is_file():
            data = path.read_bytes()
            assert data not in found, "a photograph is known twice"
            found[data] = faces
    return found


def _do(world: World, kind: str, one: int, two: int) -> None:
    files, hidden = sorted(world.photos.rglob("*.jpg")), world.folder / "hidden"
    if kind == "show" and hidden.exists():
        names = (world.photos / f"back {number}" for number in range(100))
        hidden.rename(next(name for name in names if not name.exists()))
    if not files:
        return
    first, second = files[one % len(files)], files[two % len(files)]
    fresh = world.photos / f"{one % 3}" / f"new {two}.jpg"
    fresh.parent.mkdir(exist_ok=True)
    if kind == "add":
        world.put(f"more/{one}.jpg", photo(NAMES[one % 3], number=100 + two))
    elif kind == "edit":
        first.write_bytes(photo(NAMES[two % 3], number=200 + one))
    elif kind == "touch":
        os.utime(first, (two, two))
    elif kind in {"rename", "copy"} and not fresh.exists():
        (shutil.copy if kind == "copy" else shutil.move)(first, fresh)
    elif kind == "swap" and first != second:
        aside = world.folder / "aside"
        first.rename(aside)
        second.rename(first)
        aside.rename(second)
    elif kind == "delete":
        first.unlink()
    elif kind == "hide" and not hidden.exists() and first.parent != world.photos:
        first.parent.rename(hidden)
