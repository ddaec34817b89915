"""Drafts of the single files of a result. A draft gets its final name when complete, and replaces only own files."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from services.standalone.result.file_digest import digest_of, has_bytes_of, seems_as, status
from services.standalone.result.made_files import MadeFiles
from shared.errors import InvalidInput

ASSIGNMENTS = "assignments.jsonl"
EMBEDDINGS = "embeddings.csv"
MEDOIDS = "medoids.csv"
ODD_NAMES = "backslashreplace"


class Drafts:
    """New files of a result under hidden names, until all of them are published together."""

    def __init__(self, manifest: MadeFiles) -> None:
        self._manifest = manifest
        self._drafts: dict[str, Path] = {}

    @contextlib.contextmanager
    def text(self, name: str) -> Iterator[TextIO]:
        """Yield a file for UTF-8 text, without translation of line ends, whose final name is `name`.

        Halves of surrogate pairs, from names of photographs that are not valid Unicode, are written as escapes.
        """
        draft = self._manifest.scratch()
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "w", encoding="utf-8", errors=ODD_NAMES, newline="") as file:
            yield file
            file.flush()
            os.fsync(handle)  # a machine that loses power must not leave the name with half of the file
        self._drafts[name] = draft

    def publish(self) -> None:
        """Give every draft its final name.

        A file that a person has changed or put there stays. The other drafts still get their names, and then
        `InvalidInput` is raised with the names of such files.
        """
        new = {name: digest for name, draft in self._drafts.items() if (digest := digest_of(draft))}
        self._manifest.note(new)
        known = self._manifest.digests(list(new))
        published, foreign = {}, []
        for name, digest in new.items():
            target = self._manifest.out / name
            if status(target) and not has_bytes_of(target, known[name]):
                foreign.append(name)
                continue
            found = digest_of(target)
            if found is None or found.sha256 != digest.sha256:
                os.replace(self._drafts[name], target)  # noqa: PTH105  as all that changes the folder
                found = digest
            published[name] = found
        self._manifest.replace(published, foreign)
        check_none_foreign(self._manifest.out, foreign)


def foreign_files(manifest: MadeFiles, names: Iterable[str]) -> list[str]:
    """Return those of these names under which a file exists that no command has written."""
    known = manifest.digests(list(names))
    return [
        name for name in names if status(manifest.out / name) and not seems_as(manifest.out / name, known.get(name, ()))
    ]


def check_none_foreign(out: Path, names: Iterable[str]) -> None:
    """Raise `InvalidInput` if there are names: files that a person has made or changed."""
    if names := sorted(names):
        them = "it" if len(names) == 1 else "them"
        msg = f"{out}: expected {', '.join(names)} as an earlier command wrote {them}, found something else; move"
        msg += f" {them} away to keep {them}, or remove {them}, and try again"
        raise InvalidInput(msg)
