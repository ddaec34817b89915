"""A walk over a folder: every file in the order of its key, and each file once.

Links that lead outside the folder are followed. A link to something that the walk lists anyway, or to a folder above
it, is reported as repeated; of several links to one target outside, all but the first.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.adapters.folder.files import NOT_THERE
from shared.adapters.folder.keys import name_of, part_of
from shared.ports.objects import FolderEntry, ObjectInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Level:
    """A folder between the root and the current position of a walk.

    `prefix`: the beginning of the keys in it. `real`: its path without links. `rest`: the names that are still to be
    visited, each with whether it is a link.
    """

    prefix: str
    folder: Path
    real: str
    rest: Iterator[tuple[str, bool]]


class _Listed:
    """What a walk lists, as paths without links. Inodes would not do: some network shares have no reliable ones."""

    def __init__(self, root: str) -> None:
        self._folders = {root}
        self._linked: set[str] = set()

    def follow(self, real: str, *, is_folder: bool) -> None:
        """Note that the walk follows a link to `real`."""
        self._linked.add(real)
        if is_folder:
            self._folders.add(real)

    def is_linked(self, real: str) -> bool:
        """Return whether a link to exactly this path was followed."""
        return real in self._linked

    def is_listed(self, real: str) -> bool:
        """Return whether this path is listed without another link to it; paths with a hidden name are not."""
        if real in self._linked:
            return True
        while real not in self._folders:
            above, _, name = real.rpartition("/")
            if not name or name.startswith("."):
                return False
            real = above or "/"
        return True


def walk_from(top: Level, prefix: str) -> Iterator[FolderEntry]:
    """Yield the entries below `top` whose keys begin with `prefix`, in ascending order of the keys."""
    levels, listed = [top], _Listed(top.real)  # not recursive: folders may be nested deeper than Python's calls
    while levels:
        level = levels[-1]
        part, is_link = next(level.rest, (None, False))
        if part is None:
            levels.pop()
            continue
        key = level.prefix + part
        if not (key.startswith(prefix) or (part.endswith("/") and prefix.startswith(key))):
            continue
        path = level.folder / name_of(part.removesuffix("/"))
        real = _target(path) if is_link else f"{level.real.rstrip('/')}/{path.name}"
        repeated = real is not None and _is_repeated(real, levels if is_link else (), listed)
        inside = _level(key, path, real) if part.endswith("/") and real is not None and not repeated else None
        if inside:
            if is_link:
                listed.follow(inside.real, is_folder=True)
            levels.append(inside)
            continue
        info = _info(path, key) if key.startswith(prefix) else None
        if info:
            if is_link and real is not None and not repeated:
                listed.follow(real, is_folder=False)
            yield FolderEntry(info, repeated)


def _level(key: str, path: Path, real: str) -> Level | None:
    """Return a folder to walk. None if it cannot be read: then it is listed as an object, which `get` refuses."""
    try:
        return Level(key, path, real, iter(names_in(path)))
    except FileNotFoundError:
        return Level(key, path, real, iter(()))  # removed since its name was read
    except OSError:
        return None


def _is_repeated(real: str, above: Sequence[Level], listed: _Listed) -> bool:
    """Return whether a walk lists this path elsewhere. `above`: the folders above a link; empty if it is not a link."""
    if not above:
        return listed.is_linked(real)
    return listed.is_listed(real) or any(f"{level.real}/".startswith(f"{real.rstrip('/')}/") for level in above)


def _target(link: Path) -> str | None:
    """Return the final target of a link; None if it does not exist or cannot be read."""
    try:
        return os.path.realpath(link, strict=True)
    except OSError:
        return None


def names_in(folder: Path) -> list[tuple[str, bool]]:
    """Return the names in a folder as parts of keys, in the order of the keys, each with whether it is a link.

    The names of folders end in `/`. Python compares texts by code point, which is the order of their UTF-8 bytes. The
    `/` makes the order right: `a.jpg` is before `a/b.jpg`, and without it the name `a` would be before both.
    """
    with os.scandir(folder) as entries:
        return sorted(
            (part_of(entry.name) + ("/" if _is_folder(entry) else ""), entry.is_symlink())
            for entry in entries
            if entry.name[0] != "."
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to a path that may not be read
        return False


def is_closed(path: Path) -> bool:
    """Return whether a path is a folder that cannot be read."""
    try:
        names_in(path)
    except OSError as error:
        return error.errno not in NOT_THERE
    return False


def _info(path: Path, key: str) -> ObjectInfo | None:
    """Describe a file; None if it was removed since its name was read."""
    try:
        found = path.stat()
    except OSError:  # for example a link to nothing: then the link itself is described
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError:
            return ObjectInfo(key, 0, _EPOCH)
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    # A program may reset the time of the last change after an edit, but not the time of the inode's change.
    stamp = f"{size} {found.st_mtime_ns} {found.st_ctime_ns}"
    return ObjectInfo(key, size, _time(found.st_mtime_ns), stamp=stamp)


def _time(nanoseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:  # a file system can hold times that no calendar has
        return _EPOCH
