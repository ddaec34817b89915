"""The note beside a folder that a command wrote (`.crops.facestream` beside `crops`).

By the note, the next command recognises the folder as unchanged. It contains SHA-256 digests, one per line, over the
names, sizes, times and bytes of everything in the folder. While a command works on the folder, it locks the note.
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
"""For each entry of a folder, by its relative path: values of which at least one changes when the entry changes."""


@dataclass(frozen=True, slots=True)
class Note:
    """An open note. `digests`: its content when it was opened."""

    handle: int
    digests: tuple[str, ...]

    def write(self, *digests: str) -> None:
        """Write the digests of the states of the folder that a command made."""
        text = "".join(f"{digest}\n" for digest in digests).encode()
        # Not a new file, because the lock is on this one. One write, then the rest of a longer text is cut off.
        os.pwrite(self.handle, text, 0)
        os.ftruncate(self.handle, len(text))


@contextlib.contextmanager
def locked_note(path: Path) -> Iterator[Note]:
    """Yield the note of the folder `path`, locked. The lock ends with the process, also if that is killed.

    After an error the note has its former content again; a new note is removed. Raises `InvalidInput` if another
    command has locked it, or if a file that is not a note has its name.
    """
    note_path = path.with_name(shortened(f".{path.name}.facestream", keep=".facestream"))
    handle = _locked(note_path, path)
    try:
        note = Note(handle, _digests(handle, note_path))
        try:
            yield note
        except BaseException:
            if note.digests:
                note.write(*note.digests)
            else:
                note_path.unlink()
            raise
    finally:
        os.close(handle)


def facts_of(folder: Path) -> Facts:
    """Return the facts of everything in a folder; empty if there is no folder."""
    facts: dict[str, tuple[object, ...]] = {}
    if not os.path.lexists(folder):
        return facts
    for where, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in [*folders, *sorted(files)]:
            entry = Path(where, name)
            found = entry.lstat()
            kind = stat.S_IFMT(found.st_mode)
            # The times of a folder change when its parent is renamed.
            changing = () if stat.S_ISDIR(kind) else (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            facts[str(entry.relative_to(folder))] = (kind, *changing)
    return facts


def digest_of(folder: Path) -> str:
    """Return a digest over the names, sizes, times and bytes of everything in a folder; links are not followed."""
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


def _locked(note_path: Path, path: Path) -> int:
    while True:
        handle = _opened(note_path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if note_path.lstat().st_ino == os.fstat(handle).st_ino:
                    return handle
        except BaseException as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                msg = f"{path}: another command is writing this folder; wait for it, or choose another one"
                raise InvalidInput(msg) from None
            raise
        os.close(handle)  # the command that had locked it has removed it


def _opened(note_path: Path) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(note_path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        try:
            return os.open(note_path, flags)
        except OSError as error:
            if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                raise
            raise _no_note(note_path) from None
    os.write(handle, f"{_NOTHING_YET}\n".encode())
    return handle


def _digests(handle: int, note_path: Path) -> tuple[str, ...]:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise _no_note(note_path)
    text = os.pread(handle, _LIMIT, 0).decode("latin-1")
    if not _LINES.fullmatch(text):
        raise _no_note(note_path)
    return tuple(digest for digest in text.split() if digest != _NOTHING_YET)


def _no_note(note_path: Path) -> InvalidInput:
    msg = (
        f"{note_path}: expected the note of an earlier command, or nothing; found something else. Give it another name,"
    )
    return InvalidInput(f"{msg} or choose another folder to write to")


def _raise(error: OSError) -> None:
    raise error
