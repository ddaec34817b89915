"""Output that is whole or not there: what every writer of files and folders needs for that."""

import contextlib
import errno
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from shared.errors import InvalidInput, Transient

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def whole_file(path: Path, mark: str | None = None) -> Iterator[Path]:
    """Yield a hidden name beside `path` to write to; at the end it becomes `path`, after an error nothing is left.

    `mark` is a part of that name. None makes each name another one, for places where several processes may write;
    where a lock keeps others out, a fixed one lets the next process write over what a killed one has left.
    """
    path = path.resolve()  # a link stays a link; what it leads to is replaced
    # The suffix stays: some writers choose the format by it.
    scratch = path.with_name(f".{path.stem}.{mark or secrets.token_hex(4)}{path.suffix}")
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def put_in_place(scratch: Path, path: Path) -> None:
    """Make a finished folder the one of its final name, instead of the one that may be there."""
    # Two renames: a folder that is not empty cannot be replaced by one.
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    scratch.rename(path)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise what the system says about writing `path` as `Transient` where the disk is full, else `InvalidInput`."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in _FULL:
            msg = f"{path}: {reason}"
            raise Transient(msg) from error
        msg = f"{path}: expected a place that can be written, found: {reason} ({error.filename or path})"
        raise InvalidInput(msg) from error
