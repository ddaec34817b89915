"""The note beside a folder that a command wrote: `.crops.facestream` beside `crops`, by which the next one knows it.

It holds SHA-256 digests, one a line, over the names, sizes, times and bytes of all that is in the folder. While a
command works on the folder, it holds a lock on the note.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.files.short_names import shortened
from shared.errors import InvalidInput

_NOTHING_YET = "0" * 64
_LINES = re.compile(r"(?:[0-9a-f]{64}\n?)+")
_LIMIT = 4096  # bytes; a note has one or two lines

Facts = Mapping[str, tuple[object, ...]]
"""Of each entry of a folder, by its path in there: what cannot stay the same where somebody changed it."""


@dataclass(frozen=True, slots=True)
class Note:
    """An open note. `digests` are those that it held when it was opened."""

    handle: int
    digests: tuple[str, ...]

    def write(self, *digests: str) -> None:
        """Write which states of the folder are a command's work."""
        text = "".join(f"{digest}\n" for digest in digests).encode()
        # In place, for the lock is on this file. One write, then what is left of a longer text goes.
        os.pwrite(self.handle, text, 0)
        os.ftruncate(self.handle, len(text))


@contextlib.contextmanager
def held_note(path: Path) -> Iterator[Note]:
    """Yield the note of the folder `path`, locked; the lock ends with the process, however that ends.

    After an error the note says what it said before, and a new one is gone. Raises `InvalidInput` where another
    command holds it, or where something else than a note has its name.
    """
    place = path.with_name(shortened(f".{path.name}.facestream", keep=".facestream"))
    handle = _locked(place, path)
    try:
        note = Note(handle, _digests(handle, place))
        try:
            yield note
        except BaseException:
            if note.digests:
                note.write(*note.digests)
            else:
                place.unlink()
            raise
    finally:
        os.close(handle)


def facts_of(folder: Path) -> Facts:
    """Return the facts of all that is in a folder: nothing where there is no folder."""
    facts: dict[str, tuple[object, ...]] = {}
    if not os.path.lexists(folder):
        return facts
    for where, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in [*folders, *sorted(files)]:
            entry = Path(where, name)
            found = entry.lstat()
            kind = stat.S_IFMT(found.st_mode)
            # A folder's own times change when its parent gets another name.
            changing = () if stat.S_ISDIR(kind) else (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            facts[str(entry.relative_to(folder))] = (kind, *changing)
    return facts


def digest_of(folder: Path) -> str:
    """Return a digest over the names, sizes, times and bytes of all that is in a folder; links are not followed."""
    digest = hashlib.sha256()
    for name, (kind, *changing) in facts_of(folder).items():
        digest.update(os.fsencode(f"{name}\0{kind}\0{changing[:2]}\0"))
        if kind == stat.S_IFREG:
            digest.update(_digest_of_file(folder / name))
        elif kind == stat.S_IFLNK:
            digest.update(os.fsencode((folder / name).readlink()))
    return digest.hexdigest()


def _digest_of_file(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _locked(place: Path, path: Path) -> int:
    while True:
        handle = _opened(place)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if place.lstat().st_ino == os.fstat(handle).st_ino:
                    return handle
        except BaseException as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                msg = f"{path}: another command is writing this folder; wait for it, or choose another one"
                raise InvalidInput(msg) from None
            raise
        os.close(handle)  # whoever held it has removed it


def _opened(place: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(place, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        try:
            return os.open(place, flags)
        except OSError as error:
            if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                raise
            raise _no_note(place) from None
    os.write(handle, f"{_NOTHING_YET}\n".encode())
    return handle


def _digests(handle: int, place: Path) -> tuple[str, ...]:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise _no_note(place)
    text = os.pread(handle, _LIMIT, 0).decode("latin-1")
    if not _LINES.fullmatch(text):
        raise _no_note(place)
    return tuple(digest for digest in text.split() if digest != _NOTHING_YET)


def _no_note(place: Path) -> InvalidInput:
    msg = f"{place}: expected the note of an earlier command, or nothing; found something else. Give it another name,"
    return InvalidInput(f"{msg} or choose another folder to write to")


def _raise(error: OSError) -> None:
    raise error
