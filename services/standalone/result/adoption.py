"""Making the manifest of a result that an earlier version, without manifests, has written.

Which files facestream has made is found by comparing them with what it would write now.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from services.standalone.result.contents import ResultContents, entry_path
from services.standalone.result.drafts import ASSIGNMENTS, EMBEDDINGS, MEDOIDS, ODD_NAMES
from services.standalone.result.file_digest import FileDigest, digest_of, is_plain_folder, is_same, status
from services.standalone.result.folder import PEOPLE, REPORT
from services.standalone.result.made_files import MadeFiles
from shared.domain.ids import crop_key
from shared.embedding_tables import TextFile
from shared.ports.generations import GenerationStore

_MARKS = {
    ASSIGNMENTS: re.compile(rb'\A{"face_id":"[0-9a-f]{32}"'),
    EMBEDDINGS: re.compile(rb"\A0,1,2,[0-9,]+\ncrops/[0-9a-f]{32}\.png,"),
    MEDOIDS: re.compile(rb"\A[0-9a-f]{32},-?[0-9]"),
    REPORT: re.compile(rb'<p class="brand">facestream</p>'),
}
_BEGINNING = 1 << 16  # bytes of a page that include its mark, which comes after the style sheet


def begin(manifest: MadeFiles, contents: ResultContents) -> Sequence[str]:
    """Begin the manifest with the files that are provably facestream's; return a line about each renamed file.

    A file is facestream's if it has, byte for byte, the contents that would be written now. An entry in the folders of
    people is facestream's if a generation has it and it has the bytes of its crop. All others belong to a person.

    The report of an earlier version has other bytes, and a killed run leaves files of an earlier state. They cannot be
    proved to be unchanged, so they get other names, and nothing of them is lost.
    """
    entries = _entries(manifest.out, contents.repository)
    folders = {path.rpartition("/")[0] for path in entries if path.startswith(f"{PEOPLE}/")}
    files = _files(manifest.out, contents)
    lines = []
    for name, mark in _MARKS.items():
        path = manifest.out / name
        if name not in files and _bears(path, mark):
            unused = next(other for number in count(1) if not status(other := _numbered(path, number)))
            path.rename(unused)
            lines.append(f"{unused.name} is {name} of an earlier version, which may have been changed; it is kept.")
    manifest.begin(files | entries, folders)
    return lines


def _bears(path: Path, mark: re.Pattern[bytes]) -> bool:
    """Return whether a file was made by facestream, changed since or not."""
    if digest_of(path) is None:
        return False
    with path.open("rb") as file:
        return mark.search(file.read(_BEGINNING)) is not None


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _entries(out: Path, generations: GenerationStore) -> dict[str, FileDigest]:
    found = {}
    for generation in generations.generations():
        for membership in generations.memberships(generation.number):
            key = crop_key(membership.face_id)
            path = entry_path(membership.cluster_id, key)
            folder = (out / path).parent
            plain = is_plain_folder(folder) and is_plain_folder(out / path.split("/")[0])
            if plain and is_same(out / key, out / path) and (digest := digest_of(out / path)):
                found[path] = digest
    return found


def _files(out: Path, contents: ResultContents) -> dict[str, FileDigest]:
    found: dict[str, FileDigest] = {}
    active = contents.repository.active_generation()
    if active is None:
        return found
    for name, write in _writers(contents, active.number).items():
        digest, made = digest_of(out / name), _Digest()
        if digest is None:
            continue
        write(made)
        if made.digest() == digest.sha256:
            found[name] = digest
    return found


def _writers(contents: ResultContents, generation: int) -> dict[str, Callable[[TextFile], None]]:
    def want_nothing(_path: str, _source: str) -> None:
        pass

    return {
        ASSIGNMENTS: lambda file: contents.write_faces(generation, file, _Discard(), want_nothing),
        EMBEDDINGS: lambda file: contents.write_faces(generation, _Discard(), file, want_nothing),
        MEDOIDS: lambda file: contents.write_medoids(generation, file),
        REPORT: contents.write_report,
    }


class _Discard:
    """A text file that keeps nothing."""

    def write(self, text: str, /) -> None:
        pass


class _Digest:
    """A text file that keeps only the SHA-256 of its bytes."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def write(self, text: str, /) -> None:
        self._sha256.update(text.encode(errors=ODD_NAMES))

    def digest(self) -> bytes:
        return self._sha256.digest()
