"""Files of a folder: opened without waiting, read up to a limit, removed; and what their errors mean."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import FacestreamError, InvalidInput, ObjectMissing, ObjectRefused, ObjectTooLarge, Transient

NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
IN_THE_WAY = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
# The process or the machine has run out of something; the file itself may be fine.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def content(path: Path, limit: int) -> bytes:
    """Return the bytes of a file of at most `limit` bytes; raises `ObjectTooLarge` and OSError."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ObjectTooLarge(size, limit)
        data = file.read(size + 1)
        if len(data) > size:  # it has grown since its size was read
            data += file.read(limit + 1 - len(data))
        if len(data) > limit:
            raise ObjectTooLarge(None, limit)
        return data


def beginning(path: Path, size: int) -> bytes:
    """Return the first `size` bytes of a file; raises OSError."""
    with opened(path) as file:
        return file.read(size)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; raises OSError for anything else."""
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "a folder")
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def unlink(path: Path) -> None:
    """Remove a file, if it exists; raises OSError."""
    try:
        path.unlink()
    except OSError as error:
        if error.errno not in NOT_THERE:
            raise


def reason_of(error: OSError) -> str:
    """Return the system's description of an error, in lower case."""
    return (error.strerror or repr(error)).lower()


def not_read(error: OSError, root: Path, path: Path, name: str) -> FacestreamError:
    """Return what to raise when a file could not be read. `root`: the bucket's folder; `name`: bucket and key."""
    if error.errno in _EXHAUSTED:
        return Transient(f"{name}: {reason_of(error)}")
    if error.errno not in NOT_THERE:
        return ObjectRefused(f"{name}: {reason_of(error)}")
    if not root.is_dir():  # if a disk was unplugged, its photographs are not removed
        return Transient(f"{root}: expected a folder, found none; is its disk still there?")
    if error.errno == errno.ENOENT and path.is_symlink():
        return ObjectRefused(f"{name}: a link that leads nowhere")
    return ObjectMissing(f"{name}: no such file")


def not_written(error: OSError, name: str, path: Path, size: int) -> FacestreamError:
    """Return what to raise when a file could not be written or removed. `name`: bucket and key; `size` in bytes."""
    if error.errno in _NOT_ALLOWED:
        return InvalidInput(f"{path.parent}: expected a folder that may be written, found: {reason_of(error)}")
    if error.errno in IN_THE_WAY:
        return ObjectRefused(f"{name}: {reason_of(error)}")
    return Transient(f"{name}: {reason_of(error)} (in {path.parent}, {size} bytes to write)")
