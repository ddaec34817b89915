"""The lock of a result: one command works in its folder at a time, and only its owner can read what it makes there."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from services.standalone.result.folder import DATABASE, LOCK, is_database
from services.standalone.result.made_files import MadeFiles
from shared.atomic_output import explained
from shared.errors import InvalidInput


@contextlib.contextmanager
def locked(out: Path, photos: Path | None = None) -> Iterator[None]:
    """Lock the folder of a result, which is made if it is missing, against other commands that change it.

    A new folder is private to its owner. Files made within the context, also by processes started there, can be read
    only by users who may read the folder, the database and `photos`. The lock ends with the process, however that ends.
    Raises `InvalidInput` if another command has locked the folder, or if it cannot be made, written or locked, and
    `Transient` if the disk is full.
    """
    with explained(out):
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another run has just made it
                out.mkdir(mode=0o700)
        lock = _opened_lock(out / LOCK)
    try:
        _acquire(lock, out)
        with _readable_no_wider_than(*[path for path in (out, out / DATABASE, photos) if path and path.exists()]):
            if not is_database(out / DATABASE):
                with explained(out), MadeFiles(out) as manifest:
                    if not manifest.begun:
                        manifest.begin({}, ())
            yield
    finally:
        os.close(lock)


def _opened_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            msg = f"{path}: expected a lock file, found a link; remove it"
            raise InvalidInput(msg) from error
        raise


def _acquire(lock: int, out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        msg = f"{out}: another command is working in this folder; wait for it, or choose another one"
        raise InvalidInput(msg) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        msg = f"{out}: expected a file system with locks, so that two commands cannot work in one folder, found:"
        msg += f" {reason}; choose a folder on another file system"
        raise InvalidInput(msg) from error


@contextlib.contextmanager
def _readable_no_wider_than(*paths: Path) -> Iterator[None]:
    """Set the umask so that new files can be read only by users who may read all of these paths."""
    allowed = 0o777
    for path in paths:
        mode = path.stat().st_mode
        allowed &= mode | (mode & 0o444) >> 2  # a reader of a file may enter a folder
    before = os.umask(0o077)
    os.umask(before | (~allowed & 0o077))
    try:
        yield
    finally:
        os.umask(before)
