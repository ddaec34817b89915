"""Output that is complete or absent: written under another name, and renamed when it is complete.

An existing file is replaced, because the user has named it, unless the command reads it. A folder must be new or empty,
or contain exactly what an earlier command wrote there: then it is replaced as a whole. To recognise this, each command
leaves a small hidden file beside its folder (`.crops.facestream` beside `crops`). Nothing that the user added or
changed is ever removed, neither in the folder nor beside it. If the user changes the folder while a command works, that
folder stays, and the new one gets another name.
"""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TextIO

from cli.files.folder_note import Facts, Note, digest_of, facts_of, locked_note
from cli.files.short_names import shortened
from shared.atomic_output import FolderChangedError, explained, replace_folder, scratch_folder, tidy, whole_file
from shared.errors import InvalidInput, Unreadable

# Errors that mean: the file system cannot store this name. They are not about the folder.
_NAME_REFUSED = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


@contextlib.contextmanager
def new_file(path: Path, sources: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield the path to write to. At the end of the context it is renamed to `path`; after an error it is removed.

    A new file is readable by its owner only; the new file takes over the mode of an existing one. Raises `InvalidInput`
    if no file can be written to `path`, or if it is one of the `sources`, and `Transient` if the disk is full.
    """
    check_not_read(path, sources)
    path = path.resolve()  # the folder of a link's target must exist, not that of the link
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as scratch:
            yield scratch


def check_not_read(path: Path, sources: Iterable[Path]) -> None:
    """Raise `InvalidInput` if the file to write is one of those that are read, also under another name."""
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        msg = f"{path}: expected another file than one that is read; choose another one to write to"
        raise InvalidInput(msg)


@contextlib.contextmanager
def new_text(path: Path, sources: Iterable[Path] = ()) -> Iterator[TextIO]:
    """Like `new_file`, but yield the file, open for UTF-8 text whose line ends are written unchanged."""
    with new_file(path, sources) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def new_folder(path: Path, source: Path) -> Iterator[Path]:
    """Yield a folder to fill from `source`. At the end it is renamed to `path`; after an error it is removed.

    A new folder is open to its owner only; the new folder takes over the mode of an existing one. Raises `InvalidInput`
    before anything is written if `path` is a file, contains files that no command wrote, overlaps with `source`, or is
    being written by another command. Raises it at the end if files were put there in the meantime: they stay, and the
    new folder gets another name. Raises `Transient` if the disk is full.
    """
    path, source = path.resolve(), source.resolve()
    if path.is_relative_to(source) or source.is_relative_to(path):
        msg = f"{path}: expected a folder outside {source}, which is read; choose another one to write to"
        raise InvalidInput(msg)
    _check_kind(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked_note(path) as note:
            tidy(path)  # before the check: it may restore the former folder
            before = _checked(path, note)
            with scratch_folder(path) as scratch:
                filled = scratch / "new"
                filled.mkdir(0o700)
                yield filled
                _finish(filled, path, note, before)


def write(path: Path, data: bytes) -> None:
    """Write a file inside a new folder, with the folders above it.

    Raises `Unreadable` if the file system cannot store a file of this name.
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
    # If the process is killed before or between the renames, the note describes the folder at `path` in each case.
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
            other.mkdir(0o700)  # reserves the name; the rename replaces this empty folder only
            filled.rename(other)
            break
    with contextlib.suppress(InvalidInput), locked_note(other) as note:
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
    """Return the facts of a folder; raises `InvalidInput` if it must not be replaced."""
    facts = facts_of(path)
    if facts and digest_of(path) not in note.digests:
        msg = (
            f"{path}: expected a new or empty folder, or the untouched result of an earlier command; found other files"
        )
        msg += " in it. Choose another folder, or move away what is in this one"
        raise InvalidInput(msg)
    return facts
