"""The folder of a result: the names in it, and which folders are accepted as one.

A folder is recognised as a result by the header of its `facestream.db`, or by its manifest. Nothing is written to a
folder that holds anything else, since that belongs to a person.
"""

import contextlib
import os
import stat
from pathlib import Path

from services.standalone.result.file_digest import status
from services.standalone.result.made_files import MANIFEST, is_manifest
from shared.atomic_output import explained
from shared.errors import InvalidInput
from shared.sqlite_file import FACE_DATABASE_ID, application_id_of

DATABASE = "facestream.db"
REPORT = "report.html"
CROPS = "crops"
PEOPLE = "people"
UNKNOWN = "unknown"
LOCK = ".lock"
_OF_SYSTEMS = {".DS_Store", "desktop.ini", "Thumbs.db", "lost+found", "@eaDir"}  # systems put these into new folders
_JOURNALS = ("-journal", "-wal", "-shm")


def is_database(path: Path) -> bool:
    """Return whether a file is the database of a result, by its header. A link is none."""
    return application_id_of(path) == FACE_DATABASE_ID


def check_folders(photos: Path, out: Path) -> None:
    """Raise `InvalidInput` if `photos` is no folder, if one of the two lies in the other, or if `out` is no result.

    Writes nothing. A new or empty folder is accepted for the result; one with files of other owners is not.
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
        _check_is_result(out)


def _check_apart(photos: Path, out: Path) -> None:
    inside, outside = photos.resolve(), out.resolve()
    if outside.is_relative_to(inside):
        msg = f"{out}: the result lies inside the photographs {photos}, so its crops would be taken for photographs; "
        msg += "choose a folder outside"
        raise InvalidInput(msg)
    if inside.is_relative_to(outside):
        msg = f"{photos}: the photographs lie inside {out}, where files of the result come and go; choose another --out"
        raise InvalidInput(msg)
    way = _path_into(outside, inside)
    if way:
        msg = f"{out}: the photographs lead to the result by {photos / way}, so its crops would be taken for"
        msg += " photographs; choose another --out"
        raise InvalidInput(msg)


def _path_into(out: Path, photos: Path) -> Path | None:
    """Return the path among the photographs, relative to `photos`, by which a link leads into `out`, or None."""
    existing = out
    while not existing.exists():  # `out` would be made below this folder
        existing = existing.parent
    goal, seen, left = _identity(existing), set(), [photos]
    while left:
        folder = left.pop()
        with contextlib.suppress(OSError):  # a folder that cannot be read has no photographs either
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


def _check_is_result(out: Path) -> None:
    """Refuse a folder that is neither new nor empty nor a result, and a result with links or foreign files in it."""
    if not out.exists():
        return
    if not _is_result(out):
        foreign = sorted(entry.name for entry in out.iterdir() if not _is_of_a_killed_first_run(entry))
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


def _is_of_a_killed_first_run(entry: Path) -> bool:
    """Return whether a run can have left this entry that was killed before it had made its database."""
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
