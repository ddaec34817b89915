"""Output that is whole or not there: what every writer of files and folders needs for that.

Unfinished output lies in a scratch folder beside its place: `.facestream-` and random letters, freshly made, open to
its owner only. A note inside names the place and the folder's own inode number, and is locked while its process
lives. A command that was killed leaves its scratch folder behind; the next one that writes the same place removes it,
and nothing else: not a folder without that note, not a copy of one, not a link, not another account's. (Killed in the
moment before it can write the note, a command leaves an empty folder for good.)

What holds faces or vectors is private: a new file has mode 0600, a new folder 0700. What takes the place of a file or
a folder keeps the mode of that one.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.errors import InvalidInput, Transient

_FULL = {errno.ENOSPC, errno.EDQUOT}
_PREFIX = ".facestream-"
_NOTE = ".note"
_MOVED = "moved"  # was at the place, and nobody has looked yet whether it may go
_REPLACED = "replaced"  # was at the place, and may go
_LONGEST_SUFFIX = 32  # bytes


class FolderChangedError(InvalidInput):
    """What stands at a place is not what was to be replaced; it was left there."""


@contextlib.contextmanager
def whole_file(path: Path, *, private: bool = True) -> Iterator[Path]:
    """Yield a file name to write to; at the end of the context it becomes `path`, after an error nothing is left.

    A link stays a link: what it leads to is replaced. A file that is there gives its mode to the new one; else the
    new one is for its owner only, or, if not `private`, as the umask says. Raises `InvalidInput` where `path` is
    something other than a file.
    """
    path = path.resolve()
    mode = _mode_of_file(path)
    if mode is None and private:
        mode = 0o600
    with scratch_folder(path) as folder:
        # The suffix stays: some writers choose the format by it.
        suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
        scratch = folder / f".new{suffix}"
        yield scratch
        if mode is not None:
            _set_mode(scratch, mode)
        scratch.replace(path)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a new private folder beside `path`, which is removed at the end of the context with all that is in it.

    What killed commands have left for the same `path` is tidied up first, see `tidy`.
    """
    tidy(path)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=path.parent))
    handle = None
    try:
        handle = os.open(folder / _NOTE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: leftovers are never removed there
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Written when the lock is held: a note without text proves nothing to `tidy`.
        os.write(handle, _note_text(folder, path))
        yield folder
    finally:
        if not os.path.lexists(folder / _MOVED):
            shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def tidy(path: Path) -> None:
    """Remove what killed commands have left beside `path`, and put back what one had moved away from there."""
    try:
        with os.scandir(path.parent) as entries:
            found = [Path(entry) for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return  # then nothing can be written there either, which is told by whoever tries
    for folder in found:
        with contextlib.suppress(OSError), _abandoned(folder, path) as is_abandoned:
            if not is_abandoned:
                continue
            for name in (_MOVED, _REPLACED):
                if os.path.lexists(folder / name) and not os.path.lexists(path):
                    (folder / name).rename(path)
            if not os.path.lexists(folder / _MOVED):
                shutil.rmtree(folder, ignore_errors=True)


def put_in_place(finished: Path, path: Path, may_go: Callable[[Path], bool] = lambda _found: True) -> None:
    """Make a finished folder the one of its final name, instead of the folder that may be there.

    `may_go` is asked, when the folder that is there has been moved aside, whether it may be removed. Raises
    `FolderChangedError` where it may not, or where something other than a folder is there; that is put back then, and
    `finished` stays where it is. Killed at any point, the earlier folder or the new one is at `path` after the next
    `tidy`.
    """
    # Two renames: a folder that is not empty cannot be replaced by one.
    mode = 0o700
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(path.lstat().st_mode)
    with scratch_folder(path) as holder:
        moved, replaced = holder / _MOVED, holder / _REPLACED
        with contextlib.suppress(FileNotFoundError):
            path.rename(moved)
        if os.path.lexists(moved):
            is_replaceable = False
            try:
                is_replaceable = stat.S_ISDIR(moved.lstat().st_mode) and may_go(moved)
            finally:
                if not is_replaceable:
                    _put_back(moved, path)
            if not is_replaceable:
                msg = f"{path}: expected the folder that was to be replaced, found something else; it was left as it is"
                raise FolderChangedError(msg)
            moved.rename(replaced)
        try:
            _set_mode(finished, mode)
            finished.rename(path)
        except BaseException:
            if os.path.lexists(replaced):
                replaced.rename(moved)  # so that it is kept, whatever happens
                _put_back(moved, path)
            raise


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


def _put_back(moved: Path, path: Path) -> None:
    try:
        moved.rename(path)
    except OSError as error:
        msg = f"{path}: something new came there in the meantime; what was there before is kept in {moved}"
        raise InvalidInput(msg) from error


def _note_text(folder: Path, path: Path) -> bytes:
    return b"unfinished output of facestream, removed by its next command; folder %d, for %s\n" % (
        folder.stat().st_ino,
        os.fsencode(path.name),
    )


@contextlib.contextmanager
def _abandoned(folder: Path, path: Path) -> Iterator[bool]:
    """Yield whether a folder is the scratch folder for `path` of a process that is gone; holds it meanwhile."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        yield False
        return
    handle = os.open(folder / _NOTE, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        expected = _note_text(folder, path)
        yield os.read(handle, len(expected) + 1) == expected
    finally:
        os.close(handle)


def _mode_of_file(path: Path) -> int | None:
    """Return the mode of the file at `path`, None where nothing is."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "something that is neither a file nor a folder"
        msg = f"{path}: expected the name of a file to write, found {what}"
        raise InvalidInput(msg)
    return stat.S_IMODE(mode)


def _set_mode(path: Path, mode: int) -> None:
    with contextlib.suppress(PermissionError):  # a file system that has no modes
        path.chmod(mode)
