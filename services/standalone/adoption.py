"""A result of a version that took no notes: what in it is ours is found by comparing."""

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from services.standalone.contents import Contents, place
from services.standalone.manifest import Manifest
from services.standalone.proof import Proof, is_plain_folder, is_same, proof_of, status
from services.standalone.report.page import Text
from services.standalone.result_files import ASSIGNMENTS, EMBEDDINGS, MEDOIDS, ODD_NAMES
from services.standalone.result_folder import PEOPLE, REPORT
from shared.domain.ids import crop_key
from shared.ports.repository import FaceRepository

_MARKS = {
    ASSIGNMENTS: re.compile(rb'\A{"face_id":"[0-9a-f]{32}"'),
    EMBEDDINGS: re.compile(rb"\A0,1,2,[0-9,]+\ncrops/[0-9a-f]{32}\.png,"),
    MEDOIDS: re.compile(rb"\A[0-9a-f]{32},-?[0-9]"),
    REPORT: re.compile(rb'<p class="brand">facestream</p>'),
}
_LOOKED_AT = 1 << 16  # bytes of a page that hold its head, the style above all


def begin(manifest: Manifest, contents: Contents | None, repository: FaceRepository) -> Sequence[str]:
    """Note what in a result is provably ours, and so begin to take notes; return lines on what was put aside.

    Ours is a file that says byte by byte what it would say if it were made now, before anything is changed, and an
    entry of the folders of people that is where a generation has it and has the bytes of its crop. `contents` is
    None where faces have not been grouped yet. All else is a person's.

    A report of an earlier version says the same in other words, and a run of it that was killed leaves files of an
    earlier day: they cannot be proved to be untouched. So they are put aside under names of their own, and nothing of
    them is lost.
    """
    entries = _entries(manifest.out, repository)
    folders = {path.rpartition("/")[0] for path in entries if path.startswith(f"{PEOPLE}/")}
    files = _files(manifest.out, contents)
    lines = []
    for name, mark in _MARKS.items():
        path = manifest.out / name
        if name not in files and _bears(path, mark):
            aside = next(other for number in count(1) if not status(other := _numbered(path, number)))
            path.rename(aside)
            lines.append(f"{aside.name} is {name} of an earlier version, which may have been changed; it is kept.")
    manifest.begin(files | entries, folders)
    return lines


def _bears(path: Path, mark: re.Pattern[bytes]) -> bool:
    """Say whether a file is one that this software has made, changed or not."""
    if proof_of(path) is None:
        return False
    with path.open("rb") as file:
        return mark.search(file.read(_LOOKED_AT)) is not None


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _entries(out: Path, repository: FaceRepository) -> dict[str, Proof]:
    found = {}
    for generation in repository.generations():
        for membership in repository.memberships(generation.number):
            key = crop_key(membership.face_id)
            path = place(membership.cluster_id, key)
            folder = (out / path).parent
            plain = is_plain_folder(folder) and is_plain_folder(out / path.split("/")[0])
            if plain and is_same(out / key, out / path) and (proof := proof_of(out / path)):
                found[path] = proof
    return found


def _files(out: Path, contents: Contents | None) -> dict[str, Proof]:
    found: dict[str, Proof] = {}
    if contents is None:
        return found
    for name, write in _writers(contents).items():
        proof, made = proof_of(out / name), _Digest()
        if proof is None:
            continue
        write(made)
        if made.digest() == proof.sha256:
            found[name] = proof
    return found


def _writers(contents: Contents) -> dict[str, Callable[[Text], None]]:
    return {
        ASSIGNMENTS: lambda file: contents.write_faces(file, _Nowhere(), lambda *_: None),
        EMBEDDINGS: lambda file: contents.write_faces(_Nowhere(), file, lambda *_: None),
        MEDOIDS: contents.write_medoids,
        REPORT: contents.write_report,
    }


class _Nowhere:
    """Takes text and keeps none of it."""

    def write(self, text: str, /) -> None:
        pass


class _Digest:
    """Takes text and keeps the SHA-256 of the file that it would make."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def write(self, text: str, /) -> None:
        self._sha256.update(text.encode(errors=ODD_NAMES))

    def digest(self) -> bytes:
        return self._sha256.digest()
