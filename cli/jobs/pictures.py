"""The files of a folder and its subfolders, and the names of what is made of them."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path, PurePath

from cli.jobs.short_names import NAME_BYTES, shortened
from cli.jobs.watching import Watch
from shared.adapters.folder.store import FolderStore
from shared.errors import InvalidInput, ObjectError, Unreadable
from shared.photos.photo_files import sorted_files
from shared.photos.photo_names import Reason, passed_over_in_words
from shared.photos.photo_rule import PhotoRule, PhotoSettings

_FOLDER = "folder"  # the name of the bucket that the folder is
_ROOM = 24  # bytes that are added to the stem of a name: the number of a face, and the extension


def files_in(folder: Path, watch: Watch, wanted: Callable[[str], bool] | None = None) -> list[Path]:
    """Return the paths of the photographs in a folder, relative to it, in the order of their names.

    What is a photograph is said by `shared/photos/photo_rule.py`, with the settings of the environment; with `wanted`,
    only files of these names are considered. What is passed over is told by number, a folder that cannot be read by
    name. Raises `InvalidInput` where `folder` is none, or holds no such file, and `Transient` where it cannot be read.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing"
        msg = f"{folder}: expected a folder, found {what}"
        raise InvalidInput(msg)
    store = FolderStore({_FOLDER: folder})
    rule = PhotoRule.of(PhotoSettings(), above=str(folder.resolve()))
    files, passed_over = [], Counter[Reason]()
    for file in sorted_files(store, _FOLDER, rule, wanted):
        path = store.path(_FOLDER, file.info.key)
        if file.passed_over:
            passed_over[file.passed_over.reason] += 1
        elif file.info.key.endswith("/"):
            watch.refused(text_of(path), _refusal(store, file.info.key))
        else:
            files.append(path.relative_to(folder.absolute()))
    summary = passed_over_in_words(passed_over)
    if not files:
        msg = f"{folder}: expected files to read in it or its subfolders, found none"
        raise InvalidInput(f"{msg}; {summary}" if summary else msg)
    if summary:
        watch.note(summary)
    return sorted(files, key=os.fsencode)


def _refusal(store: FolderStore, key: str) -> str:
    try:
        store.head(_FOLDER, key, 1)
    except ObjectError as error:
        return str(error).removeprefix(f"{_FOLDER}/{key}: ")
    return "could not be read a moment ago"


def content(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file, never waiting for a pipe; raises `Unreadable` with the reason."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            msg = "not a regular file"
            raise Unreadable(msg)
        if found.st_size > max_bytes:
            msg = f"{found.st_size:,} bytes, at most {max_bytes:,} allowed"
            raise Unreadable(msg)
        return path.read_bytes()
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from error


def text_of(path: PurePath | str) -> str:
    r"""Return a path as text that any UTF-8 file can hold: a byte that is not UTF-8 becomes `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def stems(paths: Sequence[Path]) -> list[Path]:
    """Return for each path the one that names made of it begin with: without its extension where that is unique.

    `a.jpg` and `a.png` in one folder keep theirs, so that neither takes the other's place. A name that leaves no room
    for a number and an ending is shortened, always in the same way. No two results are equal.
    """
    same_stem = Counter(path.with_suffix("") for path in paths)
    names = set(paths)
    unique = [
        short if same_stem[short := path.with_suffix("")] == 1 and (short == path or short not in names) else path
        for path in paths
    ]
    taken = set(unique)
    return [_with_room(stem, taken) for stem in unique]


def _with_room(stem: Path, taken: set[Path]) -> Path:
    """Return a stem of at most so many bytes that an ending has room; a new one is added to `taken`."""
    if len(os.fsencode(stem.name)) <= NAME_BYTES - _ROOM:
        return stem
    names = chain([stem.name], (f"{stem.name}~{number}" for number in count(2)))
    shorter = (stem.with_name(shortened(name, room=_ROOM)) for name in names)
    found = next(path for path in shorter if path not in taken)
    taken.add(found)
    return found


def flat_names(paths: Sequence[Path]) -> list[str]:
    """Return a file name for each path, to lie together in one folder: its own, or a longer one where that is taken."""
    taken: set[str] = set()
    names = []
    for path in paths:
        free = next(name for name in _flat_names_of(path) if name not in taken)
        taken.add(free)
        names.append(free)
    return names


def _flat_names_of(path: Path) -> Iterator[str]:
    """Yield names for a path, none longer than a file system can hold; from the third on no end of them."""
    yield path.name
    yield shortened("_".join(path.parts), keep=path.suffix)
    for number in count(2):
        ending = f"~{number}{path.suffix}"
        if len(os.fsencode(ending)) > _ROOM:  # an extension of such a length is none
            ending = f"~{number}"
        yield shortened(path.name.removesuffix(path.suffix), room=len(os.fsencode(ending))) + ending
