"""Output that is whole or not there: written under another name, renamed when it is complete.

A file that exists is replaced, since a person has named it, unless the command reads it. A folder must be new or empty,
or hold exactly what an earlier command wrote there: then it is replaced as a whole. To know that, each command leaves a
small hidden file beside its folder (`.crops.facestream` beside `crops`); nothing that a person added or changed is ever
removed, neither in the folder nor beside it. Where a person changes the folder while a command works, that folder
stays, and the new one gets another name.
"""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TextIO

from cli.jobs.folder_note import Facts, Note, digest_of, facts_of, held_note
from cli.jobs.short_names import shortened
from shared.atomic_output import FolderChangedError, explained, replace_folder, scratch_folder, tidy, whole_file
from shared.errors import InvalidInput, Unreadable

# What a file system says of one name that it cannot hold, and not of the place.
_NAME_REFUSED = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


@contextlib.contextmanager
def new_file(path: Path, sources: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield the path to write to; at the end of the context it becomes `path`, after an error nothing is left.

    A new file is readable by its owner only; one that is there gives its mode to the new one. Raises `InvalidInput`
    where no file can be there, or one of the `sources` is, and `Transient` where the disk is full.
    """
    check_not_read(path, sources)
    path = path.resolve()  # where a link leads is the place that must be there
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as scratch:
            yield scratch


def check_not_read(path: Path, sources: Iterable[Path]) -> None:
    """Raise `InvalidInput` where the file to write is one of those that are read, under whatever name."""
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        msg = f"{path}: expected another file than one that is read; choose another one to write to"
        raise InvalidInput(msg)


@contextlib.contextmanager
def new_text(path: Path, sources: Iterable[Path] = ()) -> Iterator[TextIO]:
    """Like `new_file`, and yield it open for UTF-8 text, line ends as written."""
    with new_file(path, sources) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def new_folder(path: Path, source: Path) -> Iterator[Path]:
    """Yield a folder to fill from `source`; at the end it becomes `path`, after an error nothing is left.

    A new folder is open to its owner only; one that is there gives its mode to the new one. Raises `InvalidInput`
    before anything is written where `path` is a file, holds what no command wrote, overlaps with `source`, or another
    command is filling it; at the end where somebody has put something there in the meantime, which stays, and the new
    folder has another name then. `Transient` where the disk is full.
    """
    path, source = path.resolve(), source.resolve()
    if path.is_relative_to(source) or source.is_relative_to(path):
        msg = f"{path}: expected a folder outside {source}, which is read; choose another one to write to"
        raise InvalidInput(msg)
    _check_kind(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_note(path) as note:
            tidy(path)  # before the check: it may put back what was there
            before = _checked(path, note)
            with scratch_folder(path) as scratch:
                filled = scratch / "new"
                filled.mkdir(0o700)
                yield filled
                _finish(filled, path, note, before)


def write(path: Path, data: bytes) -> None:
    """Write a file inside a new folder, with the folders above it.

    Raises `Unreadable` where the file system cannot hold a file of this name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        if error.errno not in _NAME_REFUSED:
            raise
        msg = f"its result cannot be written under the name {path.name}: {(error.strerror or str(error)).lower()}"
        raise Unreadable(msg) from error


def _finish(filled: Path, path: Path, note: Note, before: Facts) -> None:
    digest = digest_of(filled)
    # Killed between this and the renames, the folder that is then at the place is known, whichever it is.
    note.write(*note.digests, digest)
    try:
        replace_folder(filled, path, lambda found: facts_of(found) == before)
    except FolderChangedError:
        other = _under_another_name(filled, path, digest)
        msg = f"{path}: somebody put other files there while this command worked; they are left as they are, and the"
        msg += f" result is in {other}"
        raise InvalidInput(msg) from None
    note.write(digest)


def _under_another_name(filled: Path, path: Path, digest: str) -> Path:
    for number in count(2):
        ending = f"-{number}"
        other = path.with_name(shortened(path.name, room=len(ending)) + ending)
        with contextlib.suppress(FileExistsError):
            other.mkdir(0o700)  # takes the name; the rename replaces nothing but this
            filled.rename(other)
            break
    with contextlib.suppress(InvalidInput), held_note(other) as note:
        note.write(digest)
    return other


def _check_kind(path: Path) -> None:
    if path.exists() and not path.is_dir():
        msg = f"{path}: expected a folder to write to, found a file"
        raise InvalidInput(msg)
    if path.is_mount():
        msg = f"{path}: this is where a disk is mounted, which cannot be replaced as a whole; choose a folder inside it"
        raise InvalidInput(msg)


def _checked(path: Path, note: Note) -> Facts:
    """Return the facts of what is at a place; raises `InvalidInput` where that must not be replaced."""
    facts = facts_of(path)
    if facts and digest_of(path) not in note.digests:
        msg = (
            f"{path}: expected a new or empty folder, or the untouched result of an earlier command; found other files"
        )
        msg += " in it. Choose another folder, or move away what is in this one"
        raise InvalidInput(msg)
    return facts
