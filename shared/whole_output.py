"""Output that is whole or not there: what every writer of files and folders needs for that."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from shared.errors import InvalidInput, Transient

_FULL = {errno.ENOSPC, errno.EDQUOT}


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
