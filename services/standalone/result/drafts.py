"""The single files of a result: written whole under another name, and put in place of nothing but our own."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from services.standalone.result.manifest import Manifest
from services.standalone.result.proof import has_bytes_of, proof_of, seems_as, status
from shared.errors import InvalidInput

ASSIGNMENTS = "assignments.jsonl"
EMBEDDINGS = "embeddings.csv"
MEDOIDS = "medoids.csv"
ODD_NAMES = "backslashreplace"


class Drafts:
    """New files of a result that a person does not see yet, until all of them are put in place."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._drafts: dict[str, Path] = {}

    @contextlib.contextmanager
    def text(self, name: str) -> Iterator[TextIO]:
        """Yield a file to write UTF-8 text to, line ends as written; it is to become `name`.

        Halves of surrogate pairs, from names of photographs that are no valid Unicode, are written as escapes.
        """
        draft = self._manifest.scratch()
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "w", encoding="utf-8", errors=ODD_NAMES, newline="") as file:
            yield file
            file.flush()
            os.fsync(handle)  # a machine that loses power must not leave the name with half of the file
        self._drafts[name] = draft

    def put_in_place(self) -> None:
        """Give every draft its name.

        A file that a person has changed or put there stays. Then the others are put in place, and `InvalidInput` says
        which one it is.
        """
        new = {name: proof for name, draft in self._drafts.items() if (proof := proof_of(draft))}
        self._manifest.note(new)
        known = self._manifest.proofs(list(new))
        there, foreign = {}, []
        for name, proof in new.items():
            target = self._manifest.out / name
            if status(target) and not has_bytes_of(target, known[name]):
                foreign.append(name)
                continue
            found = proof_of(target)
            if found is None or found.sha256 != proof.sha256:
                os.replace(self._drafts[name], target)  # noqa: PTH105  as all that changes the folder
                found = proof
            there[name] = found
        self._manifest.replace(there, foreign)
        check_none_foreign(self._manifest.out, foreign)


def foreign_files(manifest: Manifest, names: Iterable[str]) -> list[str]:
    """Return those of these names where something lies that no command has written."""
    known = manifest.proofs(list(names))
    return [
        name for name in names if status(manifest.out / name) and not seems_as(manifest.out / name, known.get(name, ()))
    ]


def check_none_foreign(out: Path, names: Iterable[str]) -> None:
    """Raise `InvalidInput` for files of a person's where files of the result are to be."""
    if names := sorted(names):
        msg = f"{out}: expected in {', '.join(names)} what an earlier command wrote there, found something else; move"
        msg += f" {'it' if len(names) == 1 else 'them'} away to keep {'it' if len(names) == 1 else 'them'}, or remove"
        msg += f" {'it' if len(names) == 1 else 'them'}, and try again"
        raise InvalidInput(msg)
