"""The folder of a result: what may be one, one command in it at a time, and files that nobody else may read.

What a folder is is told by proof: a `facestream.db` that says inside to be ours, or our own notes of what was made.
A folder that holds anything else is some person's, and nothing is written there.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from services.standalone.result.manifest import MANIFEST, Manifest, is_manifest
from services.standalone.result.proof import status
from shared.atomic_output import explained
from shared.errors import InvalidInput
from shared.sqlite_file import FACE_DATABASE_ID, application_id_of

DATABASE = "facestream.db"
REPORT = "report.html"
CROPS = "crops"
PEOPLE = "people"
UNKNOWN = "unknown"
LOCK = ".lock"
_OF_SYSTEMS = {".DS_Store", "desktop.ini", "Thumbs.db", "lost+found", "@eaDir"}  # in a new folder too; they stay there
_JOURNALS = ("-journal", "-wal", "-shm")


def is_database(path: Path) -> bool:
    """Say whether a file is a database of a result; a link, and a file that only has the name, is none."""
    return application_id_of(path) == FACE_DATABASE_ID


def check_folders(photos: Path, out: Path) -> None:
    """Refuse folders that make no sense together, and a result where there are files of a person's.

    Writes nothing. Raises `InvalidInput`.
    """
    try:
        what = "nothing" if not photos.exists() else None if photos.is_dir() else "a file"
    except OSError as error:
        what = (error.strerror or str(error)).lower()
    if what:
        msg = f"{photos}: expected a folder of photographs, found {what}"
        raise InvalidInput(msg)
    with explained(out):
        if status(out) and not out.is_dir():
            what = "a link that leads to no folder" if out.is_symlink() else "a file"
            msg = f"{out}: expected a folder for the result, or none yet; found {what}"
            raise InvalidInput(msg)
        _check_apart(photos, out)
        _check_ours(out)


def _check_apart(photos: Path, out: Path) -> None:
    inside, outside = photos.resolve(), out.resolve()
    if outside.is_relative_to(inside):
        msg = f"{out}: the result lies inside the photographs {photos}, so its crops would be taken for photographs; "
        msg += "choose a folder outside"
        raise InvalidInput(msg)
    if inside.is_relative_to(outside):
        msg = f"{photos}: the photographs lie inside {out}, where files of the result come and go; choose another --out"
        raise InvalidInput(msg)
    way = _way_to(outside, inside)
    if way:
        msg = f"{out}: the photographs lead to the result by {photos / way}, so its crops would be taken for"
        msg += " photographs; choose another --out"
        raise InvalidInput(msg)


def _way_to(out: Path, photos: Path) -> Path | None:
    """Return the folder among the photographs, relative to `photos`, by whose links `out` or a folder of it is met."""
    there = out
    while not there.exists():  # it would be made below this one
        there = there.parent
    goal, seen, left = _identity(there), set(), [photos]
    while left:
        folder = left.pop()
        with contextlib.suppress(OSError):  # what cannot be read holds no photographs either
            identity = _identity(folder)
            if identity == goal:
                return folder.relative_to(photos)
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name[0] == ".":
                        continue
                    path = Path(entry.path)
                    if entry.is_symlink() and not entry.is_file() and _leads_into(path, out):
                        return path.relative_to(photos)
                    if entry.is_dir():
                        left.append(path)
    return None


def _leads_into(link: Path, out: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(out)  # `resolve` raises for links that lead to each other


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _check_ours(out: Path) -> None:
    """Refuse a folder that is neither new nor empty nor a result, and names in a result that lead elsewhere."""
    if not out.exists():
        return
    if not _is_result(out):
        foreign = sorted(entry.name for entry in out.iterdir() if not _is_left_by_a_first_run(entry))
        if foreign:
            msg = f"{out}: expected a new or empty folder, or the result of an earlier run; found other files in it:"
            msg += f" {', '.join(foreign[:3])}{', ...' if len(foreign) > 3 else ''}; choose another --out"  # noqa: PLR2004  what fits a line
            raise InvalidInput(msg)
    database, crops = out / DATABASE, out / CROPS
    if status(database) and not is_database(database) and not _is_empty_file(database):
        msg = f"{database}: expected the database of a result, found something else; move it away"
        raise InvalidInput(msg)
    if status(crops) and (crops.is_symlink() or not crops.is_dir()):
        msg = f"{crops}: expected a folder for the crops, found a {'link' if crops.is_symlink() else 'file'}; "
        msg += "move it away"
        raise InvalidInput(msg)


def _is_result(out: Path) -> bool:
    return is_database(out / DATABASE) or is_manifest(out / MANIFEST)


def _is_left_by_a_first_run(entry: Path) -> bool:
    """Say whether an entry of a folder is what a run leaves there that is killed before it has made its database."""
    begun = {LOCK, MANIFEST, DATABASE}
    if entry.name in _OF_SYSTEMS:
        return True
    if entry.name in begun:
        return _is_empty_file(entry)
    journals = {f"{name}{ending}" for name in (MANIFEST, DATABASE) for ending in _JOURNALS}
    return entry.name in journals and _is_empty_file(entry.with_name(entry.name.rpartition("-")[0]))


def _is_empty_file(path: Path) -> bool:
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode) and not found.st_size


@contextlib.contextmanager
def locked(out: Path, photos: Path | None = None) -> Iterator[None]:
    """Make the folder if need be and keep all others who change it out; raises `InvalidInput` where one is in it.

    A new folder is its owner's alone; what is made in it, also by processes that start meanwhile, may be read by
    nobody who may not read the folder, the database and `photos`. The lock ends with the process, however that ends.
    Raises `InvalidInput` as well where the folder cannot be made, written or locked, `Transient` where the disk is
    full.
    """
    with explained(out):
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another run has just made it
                out.mkdir(mode=0o700)
        lock = _opened_lock(out / LOCK)
    try:
        _take(lock, out)
        with _seen_by_no_more_than(*[path for path in (out, out / DATABASE, photos) if path and path.exists()]):
            if not is_database(out / DATABASE):
                with explained(out), Manifest(out) as manifest:
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
            msg = f"{path}: expected a file that keeps others out, found a link; remove it"
            raise InvalidInput(msg) from error
        raise


def _take(lock: int, out: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        msg = f"{out}: another command is working in this folder; wait for it, or choose another one"
        raise InvalidInput(msg) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        msg = f"{out}: expected a file system with locks, which keep two commands apart, found: {reason}; choose a"
        msg += " folder on another one"
        raise InvalidInput(msg) from error


@contextlib.contextmanager
def _seen_by_no_more_than(*paths: Path) -> Iterator[None]:
    """Let files be made that nobody may read who may not read each of these paths."""
    allowed = 0o777
    for path in paths:
        mode = path.stat().st_mode
        allowed &= mode | (mode & 0o444) >> 2  # who may read a file may enter a folder
    before = os.umask(0o077)
    os.umask(before | (~allowed & 0o077))
    try:
        yield
    finally:
        os.umask(before)
