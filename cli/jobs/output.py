"""Output that is whole or not there: written under another name, renamed when it is complete.

A file that exists is replaced. A folder must be new or empty, or hold exactly what an earlier command wrote there:
then it is replaced as a whole. To know that, each command leaves a small hidden file beside its folder
(`.crops.facestream` beside `crops`); nothing that a person added or changed is ever removed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from shared.errors import InvalidInput
from shared.whole_output import explained, put_in_place, whole_file


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield the path to write to; at the end of the context it becomes `path`, after an error nothing is left.

    Raises `InvalidInput` where no file can be there, `Transient` where the disk is full.
    """
    if path.is_dir():
        msg = f"{path}: expected the name of a file to write, found a folder"
        raise InvalidInput(msg)
    path = path.resolve()  # where a link leads is the place that must be there
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as scratch:
            yield scratch


@contextlib.contextmanager
def new_text(path: Path) -> Iterator[TextIO]:
    """Like `new_file`, and yield it open for UTF-8 text, line ends as written."""
    with new_file(path) as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def new_folder(path: Path, source: Path) -> Iterator[Path]:
    """Yield a folder to fill from `source`; at the end it becomes `path`, after an error nothing is left.

    Raises `InvalidInput` before anything is written where `path` is a file, holds what no command wrote, overlaps
    with `source`, or another command is filling it; `Transient` where the disk is full.
    """
    path, source = path.resolve(), source.resolve()
    if path.is_relative_to(source) or source.is_relative_to(path):
        msg = f"{path}: expected a folder outside {source}, which is read; choose another one to write to"
        raise InvalidInput(msg)
    _check(path)
    with explained(path):
        scratch = path.with_name(f".{path.name}.new")
        scratch.mkdir(parents=True, exist_ok=True)
        with _locked(scratch, path):
            _clear(scratch)  # of a command that was killed
            try:
                yield scratch
                digest = _digest(scratch)
                put_in_place(scratch, path)
                _note(path).write_text(digest, encoding="ascii")
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


def write(path: Path, data: bytes) -> None:
    """Write a file inside a new folder, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _check(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        msg = f"{path}: expected a folder to write to, found a file"
        raise InvalidInput(msg)
    if path.is_mount():
        msg = f"{path}: this is where a disk is mounted, which cannot be replaced as a whole; choose a folder inside it"
        raise InvalidInput(msg)
    if not any(path.iterdir()):
        return
    note = _note(path)
    if not note.is_file() or note.read_text(encoding="ascii", errors="replace") != _digest(path):
        msg = (
            f"{path}: expected a new or empty folder, or the untouched result of an earlier command; found other files"
        )
        msg += " in it. Choose another folder, or remove this one"
        raise InvalidInput(msg)


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.facestream")


def _digest(folder: Path) -> str:
    """Return a digest of the names, sizes and times of all that is in a folder."""
    digest = hashlib.sha256()
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in [*folders, *sorted(files)]:
            entry = Path(where, name)
            found = entry.lstat()
            facts = (found.st_size, found.st_mtime_ns) if name in files else ()
            digest.update(os.fsencode(f"{entry.relative_to(folder)}\0{facts}\0"))
    return digest.hexdigest()


@contextlib.contextmanager
def _locked(folder: Path, path: Path) -> Iterator[None]:
    """Hold a folder; the lock ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"{path}: another command is writing this folder; wait for it, or choose another one"
            raise InvalidInput(msg) from None
        yield
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
