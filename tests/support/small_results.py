"""A small result of `facestream run`, made in milliseconds: two generations of few faces, with crops."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cli.jobs.activation import activate_in_folder
from services.quality.settings import QualitySettings
from services.standalone.result.contents import ResultContents
from services.standalone.result.files import ResultFiles
from services.standalone.result.lock import locked
from shared.adapters.folder.store import FolderStore
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain import ids
from shared.domain.matching import AssignerSettings
from shared.embedding_tables import TextFile
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings
from tests.support.reclustering import Killed, World, add_faces
from tests.support.synthetic_faces import embeddings, face_record

_VECTORS = embeddings([4, 3, 1])
_CHANGES = ("link", "mkdir", "rename", "replace", "rmdir", "symlink", "unlink")


def make_result(folder: Path) -> Path:
    """Write a database and crops: one person of 4 faces and an unknown face, then a second person of 3 faces.

    The files for people are not written.
    """
    names = [sha256(f"face {number}".encode()).hexdigest()[:32] for number in range(len(_VECTORS))]
    faces = [
        replace(face_record(name, vector, f"photo {number}"), crop_key=ids.crop_key(name))
        for number, (name, vector) in enumerate(zip(names, _VECTORS, strict=True))
    ]
    (folder / "crops").mkdir(parents=True)
    for face in faces:
        (folder / face.crop_key).write_bytes(f"the crop of {face.face_id}".encode())
    with SqliteRepository(folder / "facestream.db") as repository:
        add_faces(repository, [*faces[:4], faces[7]])
        World(repository).recluster(writer=None)
        add_faces(repository, faces[4:7], generation=1)
        World(repository).recluster(writer=None)
    return folder


def copied(result: Path, to: Path) -> Path:
    """Copy a result with its timestamps; links stay links."""
    return Path(shutil.copytree(result, to, symlinks=True))


def active_number(result: Path) -> int:
    with SqliteRepository(result / "facestream.db") as repository:
        active = repository.active_generation()
    assert active
    return active.number


def contents(folder: Path) -> dict[str, bytes | str | None]:
    """Return the content of a folder by path: bytes of files, targets of links, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for where, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(where, name)
            is_link, is_folder = path.is_symlink(), path.is_dir()
            found[str(path.relative_to(folder))] = (
                str(path.readlink()) if is_link else None if is_folder else path.read_bytes()
            )
    return found


@contextmanager
def killed_at(step: int) -> Iterator[list[str]]:
    """Simulate a kill at change number `step` of a folder: this change and all later ones raise `Killed`.

    Because later changes fail too, no clean-up is possible, as after a kill. Yields the list of changes made.
    """
    made: list[str] = []

    def dying(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **named: Any) -> Any:
            if len(made) >= step:
                made.append("killed")
                raise Killed
            made.append(name)
            return real(*arguments, **named)

        return change

    with ExitStack() as patched:
        for name in _CHANGES:
            patched.enter_context(mock.patch.object(os, name, dying(name, getattr(os, name))))
        yield made


def seen(result: Path) -> dict[str, bytes | str | None]:
    """Return the files that people read, without hidden ones."""
    return {path: data for path, data in contents(result).items() if path[0] != "." and "facestream.db" not in path}


def entries(result: Path, folder: str = "people/*") -> set[str]:
    return {str(path.relative_to(result)) for path in result.glob(f"{folder}/*.png")}


def expected_entries(result: Path) -> set[str]:
    with SqliteRepository(result / "facestream.db") as repository:
        members = list(repository.memberships(active_number(result)))
    return {
        f"people/{member.cluster_id}/{member.face_id}.png" if member.cluster_id else f"unknown/{member.face_id}.png"
        for member in members
    }


def all_entries(result: Path) -> set[str]:
    return entries(result) | entries(result, "unknown")


def person_of_four(result: Path) -> Path:
    return next(folder for folder in sorted((result / "people").iterdir()) if len(list(folder.iterdir())) == 4)


def made_without_manifest(result: Path) -> Path:
    """Make it what a version without manifests left."""
    (result / ".facestream-made.db").unlink()
    return result


def write_again(result: Path) -> None:
    """Make the files of the active generation again, as a run does that found nothing new."""
    buckets = BucketSettings()
    with locked(result), SqliteRepository(result / "facestream.db") as repository:
        contents = ResultContents(
            repository=repository,
            crops=FolderStore({buckets.faces: result}),
            index=repository.file_index(),
            buckets=buckets,
            assigner=AssignerSettings(),
            quality=QualitySettings(),
        )
        files = ResultFiles(contents, result)
        files.check()
        files.write()


def leave_out_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the report by one line, and `fsync` by nothing."""

    def write_page(
        repository: FaceRepository, _objects: object, file: TextFile, *_looks: object, **_more: object
    ) -> None:
        active = repository.active_generation()
        file.write(f"the report of generation {active and active.number}")

    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr("services.standalone.result.contents.write_page", write_page)


def of_the_first_generation(made: Path, folder: Path) -> Path:
    """Return a copy of a result with generation 1 active: one person of 4 faces, and 4 unknown faces."""
    result = copied(made, folder)
    activate_in_folder(result, 1)
    return result
