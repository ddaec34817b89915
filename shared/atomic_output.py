"""Atomic output: a file or folder gets its name only when it is complete.

Unfinished output is written to a scratch folder beside its destination. The folder is new, named `.facestream-` with
random letters, and accessible only to its owner. A note in it has the name of the destination and the inode number of
the folder, and is locked while its process runs. A command that was killed leaves its scratch folder behind. The next
command with the same destination removes that folder, but no folder without such a note, no copy of one, no link, and
no folder of another user. (If a command is killed just before it writes the note, its empty folder stays.)

Output with faces or vectors is private: a new file has mode 0600, a new folder 0700. A file or folder that replaces
another one keeps its mode.
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
_MOVED = "moved"  # the former folder, before it was checked whether it may be removed
_REPLACED = "replaced"  # the former folder, which may be removed
_LONGEST_SUFFIX = 32  # bytes


class FolderChangedError(InvalidInput):
    """The destination is not the folder that was to be replaced. It was not changed."""


@contextlib.contextmanager
def whole_file(path: Path, *, private: bool = True) -> Iterator[Path]:
    """Yield a path to write a file to. At the end of the context it is renamed to `path`; after an error it is removed.

    If `path` is a link, it stays one, and its target is replaced. The new file gets the mode of the one that it
    replaces; a file that replaces none is private to its owner or, if not `private`, has the mode of the umask. Raises
    `InvalidInput` if `path` is not a file.
    """
    path = path.resolve()
    mode = _mode_of_file(path)
    if mode is None and private:
        mode = 0o600
    with scratch_folder(path) as folder:
        # With the suffix, since some writers choose the format by it.
        suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
        scratch = folder / f".new{suffix}"
        yield scratch
        if mode is not None:
            _set_mode(scratch, mode)
        scratch.replace(path)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a new private folder beside `path`, which is removed with its contents at the end of the context.

    Scratch folders that killed commands have left for the same `path` are removed first; see `tidy`.
    """
    tidy(path)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=path.parent))
    handle = None
    try:
        handle = os.open(folder / _NOTE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: scratch folders of killed commands stay there
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Written after the lock is acquired, since `tidy` ignores a folder whose note is empty.
        os.write(handle, _note_text(folder, path))
        yield folder
    finally:
        if not os.path.lexists(folder / _MOVED):
            shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def tidy(path: Path) -> None:
    """Remove the scratch folders of killed commands beside `path`; undo a renaming that one had begun."""
    try:
        with os.scandir(path.parent) as entries:
            found = [Path(entry) for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return  # then nothing can be written there either, and the attempt to write raises an error
    for folder in found:
        with contextlib.suppress(OSError), _abandoned(folder, path) as is_abandoned:
            if not is_abandoned:
                continue
            for name in (_MOVED, _REPLACED):
                if os.path.lexists(folder / name) and not os.path.lexists(path):
                    (folder / name).rename(path)
            if not os.path.lexists(folder / _MOVED):
                shutil.rmtree(folder, ignore_errors=True)


def replace_folder(finished: Path, path: Path, may_go: Callable[[Path], bool] = lambda _found: True) -> None:
    """Rename a finished folder to `path`, and remove the folder that was there, if there was one.

    The former folder is moved away first, and is removed only if `may_go` returns true for it. If not, or if it is no
    folder, it is moved back, `finished` is not renamed, and `FolderChangedError` is raised. If the process is killed at
    any point, `path` is the former or the new folder after the next `tidy`.
    """
    # Two renames, since a single one cannot replace a folder that is not empty.
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
                msg = f"{path}: expected the folder that was to be replaced, found something else; it was not changed"
                raise FolderChangedError(msg)
            moved.rename(replaced)
        try:
            _set_mode(finished, mode)
            finished.rename(path)
        except BaseException:
            if os.path.lexists(replaced):
                replaced.rename(moved)  # from now on it is never removed
                _put_back(moved, path)
            raise


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise an `OSError` of the context as `Transient` if the disk is full, otherwise as `InvalidInput` on `path`."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in _FULL:
            msg = f"{path}: {reason}"
            raise Transient(msg) from error
        msg = f"{path}: expected a path that can be written, found: {reason} ({error.filename or path})"
        raise InvalidInput(msg) from error


def _put_back(moved: Path, path: Path) -> None:
    try:
        moved.rename(path)
    except OSError as error:
        msg = f"{path}: something new was made there meanwhile; the former folder is kept as {moved}"
        raise InvalidInput(msg) from error


def _note_text(folder: Path, path: Path) -> bytes:
    return b"unfinished output of facestream, removed by its next command; folder %d, for %s\n" % (
        folder.stat().st_ino,
        os.fsencode(path.name),
    )


@contextlib.contextmanager
def _abandoned(folder: Path, path: Path) -> Iterator[bool]:
    """Yield whether a folder is the scratch folder for `path` of a process that has ended; locks it meanwhile."""
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
    """Return the mode of the file at `path`; None if there is none."""
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
