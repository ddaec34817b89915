"""Names of the files that a command makes of its input files."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path

from cli.files.short_names import NAME_BYTES, shortened

_ROOM = 24  # bytes that are added to the stem of a name: the number of a face, and the extension


def stems(paths: Sequence[Path]) -> list[Path]:
    """Return for each path the beginning of the names of its results: the path without extension if that is unique.

    `a.jpg` and `a.png` in one folder keep their extensions, so that their results have different names. A name that
    leaves no room for a number and an extension is shortened, always in the same way. No two results are equal.
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
    """Return the stem, shortened if an extension would not fit behind it; a shortened stem is added to `taken`."""
    if len(os.fsencode(stem.name)) <= NAME_BYTES - _ROOM:
        return stem
    names = chain([stem.name], (f"{stem.name}~{number}" for number in count(2)))
    shorter = (stem.with_name(shortened(name, room=_ROOM)) for name in names)
    found = next(path for path in shorter if path not in taken)
    taken.add(found)
    return found


def flat_names(paths: Sequence[Path]) -> list[str]:
    """Return a different file name for each path, so that the files can lie in one folder.

    It is the name of the path itself, or a longer one if that is taken.
    """
    taken: set[str] = set()
    names = []
    for path in paths:
        free = next(name for name in _flat_names_of(path) if name not in taken)
        taken.add(free)
        names.append(free)
    return names


def _flat_names_of(path: Path) -> Iterator[str]:
    """Yield names for a path without end, none longer than a file system can store."""
    yield path.name
    yield shortened("_".join(path.parts), keep=path.suffix)
    for number in count(2):
        ending = f"~{number}{path.suffix}"
        if len(os.fsencode(ending)) > _ROOM:  # what follows the dot is too long to be an extension
            ending = f"~{number}"
        yield shortened(path.name.removesuffix(path.suffix), room=len(os.fsencode(ending))) + ending
