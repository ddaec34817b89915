"""`facestream ingest`: what is sent, what is passed over, what is told."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.jobs import ingest
from cli.jobs.ingest import UploadCounts, ingest_folder, paired, upload
from cli.output.file_progress import FileProgress
from shared.adapters.folder.store import FolderStore
from shared.adapters.memory.objects import MemoryObjectStore
from shared.errors import InvalidInput, ObjectRefused, Transient
from shared.photos.photo_names import Reason
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import FolderEntry, ObjectInfo, StoredObject
from tests.support.limits import LIMIT
from tests.support.photo_folder import make_photo_folder

_NOTES = Counter({Reason.DOCUMENT: 1})


class Store(MemoryObjectStore):
    """Remembers what was put; refuses and fails on demand."""

    def __init__(self, failures: int = 0, refused: str = "") -> None:
        super().__init__()
        self.put_keys: list[str] = []
        self.types: dict[str, str] = {}
        self._failures = failures
        self._refused = refused

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        if key == self._refused:
            msg = f"{bucket}/{key}: no"
            raise ObjectRefused(msg)
        if self._failures:
            self._failures -= 1
            msg = "away"
            raise Transient(msg)
        super().put(bucket, key, data, content_type)
        self.put_keys.append(key)
        self.types[key] = content_type


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in ("a/1.jpg", "a/2.cr2", "3.PNG", "notes.txt"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses, in seconds, that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(ingest, "_RETRYING", ingest._RETRYING.copy(sleep=made.append))
    return made


def send(folder: Path, store: Store) -> UploadCounts:
    return upload(
        FolderStore({"folder": folder}), store, "photos", threads=3, rule=PhotoRule(), progress=FileProgress()
    )


def test_photographs_are_put_under_their_paths_with_their_type_and_other_files_are_not(folder: Path) -> None:
    store = Store()
    assert send(folder, store) == UploadCounts(sent=3, passed_over=_NOTES)
    assert store.types == {"3.PNG": "image/png", "a/1.jpg": "image/jpeg", "a/2.cr2": "application/octet-stream"}
    assert store.get("photos", "a/1.jpg", LIMIT).data == b"a/1.jpg"


def test_only_photographs_are_uploaded_and_what_is_not_is_told_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = make_photo_folder(tmp_path)
    store = Store()
    monkeypatch.setattr(ingest, "MinioStore", lambda _: store)
    for name, value in (("MINIO_ACCESS_KEY", "a"), ("MINIO_SECRET_KEY", "b"), ("PHOTOS_IGNORE", "Memes")):
        monkeypatch.setenv(f"FACESTREAM_{name}", value)
    uploaded = ingest_folder(tmp_path, 2)
    assert sorted(store.put_keys) == sorted(keys)
    lines = list(uploaded.lines())
    assert lines[0] == f"photographs: {len(keys)} uploaded, 0 already in the bucket"
    assert lines[1].startswith("17 files were passed over: ")


def test_what_is_there_as_it_is_is_passed_over_and_what_has_changed_is_sent(folder: Path) -> None:
    store = Store()
    send(folder, store)
    (folder / "3.PNG").write_bytes(b"3.png")  # of the same size
    store.put_keys.clear()
    assert send(folder, store) == UploadCounts(sent=1, present=2, passed_over=_NOTES)
    assert store.put_keys == ["3.PNG"]


def test_what_is_there_and_not_listed_is_passed_over_too(folder: Path) -> None:
    class Hiding(Store):
        def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
            return (info for info in super().list(bucket, prefix) if not info.key.startswith("a/"))

    store = Hiding()
    assert send(folder, store) == UploadCounts(sent=3, passed_over=_NOTES)
    (folder / "a" / "1.jpg").write_bytes(b"another one")
    assert send(folder, store) == UploadCounts(sent=1, present=2, passed_over=_NOTES)


def test_who_may_not_look_uploads_what_is_not_listed(folder: Path) -> None:
    class WriteOnly(Store):
        def exists(self, bucket: str, key: str) -> bool:
            msg = f"{bucket}/{key}: AccessDenied"
            raise ObjectRefused(msg)

    assert send(folder, WriteOnly()) == UploadCounts(sent=3, passed_over=_NOTES)


def test_one_that_is_refused_is_told_in_a_line_and_the_others_are_sent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "lost.jpg").symlink_to(folder / "nowhere")
    assert send(folder, Store(refused="a/1.jpg")) == UploadCounts(sent=2, failed=2, passed_over=_NOTES)
    assert capsys.readouterr().err == "a/1.jpg: photos/a/1.jpg: no\nlost.jpg: a link that leads nowhere\n"


def test_a_store_that_is_away_for_a_moment_is_asked_again(folder: Path, pauses: list[float]) -> None:
    assert send(folder, Store(failures=2)) == UploadCounts(sent=3, passed_over=_NOTES)
    assert len(pauses) == 2


def test_a_store_that_stays_away_ends_the_command(folder: Path) -> None:
    with pytest.raises(Transient, match="away"):
        send(folder, Store(failures=1000))


def test_each_photograph_is_tried_four_times_with_growing_pauses(tmp_path: Path, pauses: list[float]) -> None:
    (tmp_path / "1.jpg").write_bytes(b"1")
    assert send(tmp_path, Store(failures=3)) == UploadCounts(sent=1)
    assert [least <= pause <= least + 0.5 for least, pause in zip((0.5, 2, 8), pauses, strict=True)] == [True] * 3
    with pytest.raises(Transient, match="away"):
        send(tmp_path, Store(failures=4))
    assert len(pauses) == 3 + 3


@pytest.mark.parametrize("name", ["nothing", "file.jpg"])
def test_what_is_no_folder_is_invalid_input(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.jpg").write_bytes(b"")
    with pytest.raises(InvalidInput, match="expected a folder of photographs"):
        ingest_folder(tmp_path / name, 1)


def test_no_more_photographs_are_held_than_twice_the_threads() -> None:
    class Many(MemoryObjectStore):
        """A thousand photographs; counts those that are read and not yet put."""

        held = most = 0

        def walk(self, bucket: str) -> Iterator[FolderEntry]:  # noqa: ARG002  of the port
            for number in range(1000):
                yield FolderEntry(ObjectInfo(f"{number:04}.jpg", 1, datetime.now(UTC)), is_repeated=False)

        def head(self, bucket: str, key: str, size: int) -> bytes:
            raise NotImplementedError  # no name needs it

        def get(self, bucket: str, key: str, limit: int) -> StoredObject:  # noqa: ARG002  of the port
            self.held += 1
            self.most = max(self.most, self.held)
            return StoredObject(b"x", "etag", 1)

        def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  of the port
            self.held -= 1

    many = Many()
    assert upload(many, many, "photos", threads=4, rule=PhotoRule(), progress=FileProgress()) == UploadCounts(sent=1000)
    assert many.most <= 8


_KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3), unique=True)


@given(_KEYS, _KEYS)
def test_paired_finds_what_a_dictionary_finds(wanted: list[str], others: list[str]) -> None:
    def infos(keys: list[str], size: int) -> list[ObjectInfo]:
        return [ObjectInfo(key, size, datetime.now(UTC)) for key in sorted(keys)]

    pairs = [(info.key, other and other.key) for info, other in paired(infos(wanted, 1), infos(others, 2))]
    assert pairs == [(key, key if key in others else None) for key in sorted(wanted)]
