"""The folders `people` and `unknown`: brought up to date with the database, without touching files of a person.

An entry is a link to a crop, or a copy of it. Missing entries are added. An entry that is no longer wanted is removed
if a command has made it and its bytes are unchanged. Everything else stays: other files, other folders, edited entries,
and the targets of links.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.standalone.result.file_digest import (
    FileDigest,
    digest_of,
    has_bytes_of,
    is_plain_folder,
    is_same,
    seems_as,
    status,
)
from services.standalone.result.folder import PEOPLE, UNKNOWN
from services.standalone.result.made_files import MadeFiles

_REPORTED = 10  # paths that are in the way; the others are counted


@dataclass(frozen=True, slots=True)
class _Compared:
    """The wanted paths of a block, by what they need, with the digests of their crops; `foreign`: paths of a person."""

    missing: dict[str, FileDigest] = field(default_factory=dict)
    changed: dict[str, FileDigest] = field(default_factory=dict)  # a command has made an entry with another crop
    same: dict[str, FileDigest] = field(default_factory=dict)  # the same bytes with another time
    foreign: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PersonFolders:
    """The two folders of a result while they are brought up to date."""

    manifest: MadeFiles
    _in_the_way: dict[str, None] = field(default_factory=dict)  # paths in the order in which they were found
    _scratch: Path | None = None

    def bring_up_to_date(self) -> list[str]:
        """Make the wanted entries of the manifest, and remove others; return lines on paths that a person uses.

        At any moment, even if the process ends there, all files are complete, and each one that facestream has made has
        its entry in the manifest.
        """
        for folder in (PEOPLE, UNKNOWN):
            self._make(folder)
        for block in self.manifest.wanted():
            self._add(block)
        for folder in (PEOPLE, UNKNOWN):
            for paths in self.manifest.unwanted(folder):
                self._remove(paths)
        self._remove_empty_folders()
        return list(self._lines())

    def _add(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Add the missing entries of a block, and replace those with another crop."""
        known = self.manifest.digests([path for path, _ in wanted])
        found = self._compared(wanted, known)
        if found.missing or found.changed:
            folders = {_folder_of(path) for path in found.missing} - {UNKNOWN}
            new_folders = [folder for folder in folders if not status(self._path(folder))]
            self.manifest.note(found.missing | found.changed, new_folders)
        for path, source in wanted:
            if path in found.missing:
                self._make(_folder_of(path))
                self._link(source, path)
            elif path in found.changed:
                self._replace(source, path, known[path])
        made = found.missing | found.changed | found.same
        foreign = [*found.foreign, *(path for path in made if path in self._in_the_way)]
        made = {path: digest for path, digest in made.items() if path not in self._in_the_way}
        if made or any(path in known for path in foreign):
            self.manifest.replace(made, foreign)

    def _compared(self, wanted: Sequence[tuple[str, str]], known: Mapping[str, Sequence[FileDigest]]) -> _Compared:
        """Compare the paths of a block with the files and with the manifest; changes nothing."""
        found, blocked_by = _Compared(), self._blocked_by(path for path, _ in wanted)
        for path, source in wanted:
            digests, target, crop = known.get(path, ()), self._path(path), self._path(source)
            if blocking := blocked_by[_folder_of(path)]:
                found.foreign.append(path)
                self._in_the_way[blocking] = None
            elif not status(target):
                if digest := digest_of(crop):  # else somebody removed the crop; the other files still have its face
                    found.missing[path] = digest
            elif not seems_as(target, digests):
                found.foreign.append(path)
                if not is_same(crop, target):
                    self._in_the_way[path] = None
            elif not _is_known(crop, target, digests) and (digest := digest_of(crop)):
                (found.same if has_bytes_of(target, [digest]) else found.changed)[path] = digest
        return found

    def _remove(self, paths: Sequence[str]) -> None:
        """Remove entries that are unchanged since they were made; forget the others, which now belong to a person."""
        known, blocked_by = self.manifest.digests(paths), self._blocked_by(paths)
        for path in paths:
            if not blocked_by[_folder_of(path)] and has_bytes_of(self._path(path), known[path]):
                os.unlink(self._path(path))  # noqa: PTH108  as all that changes the folder, by the functions of `os`
        self.manifest.replace({}, paths)

    def _remove_empty_folders(self) -> None:
        gone = []
        for folder in self.manifest.folders():
            path = self._path(folder)
            if not is_plain_folder(path) or self._blocking(folder):
                gone.append(folder)
            elif not self.manifest.is_wanted_below(folder):
                with suppress(OSError):  # it has files of a person
                    os.rmdir(path)  # noqa: PTH106  as above
                    gone.append(folder)
        if gone:
            self.manifest.forget_folders(gone)

    def _path(self, path: str) -> Path:
        return self.manifest.out / path

    def _make(self, folder: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(self._path(folder))  # noqa: PTH102  as above

    def _blocked_by(self, paths: Iterable[str]) -> dict[str, str | None]:
        """Return `_blocking` of each folder of these paths."""
        return {folder: self._blocking(folder) for folder in {_folder_of(path) for path in paths}}

    def _blocking(self, folder: str) -> str | None:
        """Return the first of a folder and those above it that is no folder, or a link; None if all are folders."""
        return next(
            (above for above in _with_those_above(folder) if status(self._path(above)) and not self._is_plain(above)),
            None,
        )

    def _is_plain(self, folder: str) -> bool:
        return is_plain_folder(self._path(folder))

    def _link(self, source: str, path: str) -> None:
        """Make an entry where nothing exists, as a hard link if the file system can, otherwise as a copy."""
        try:
            os.link(self._path(source), self._path(path), follow_symlinks=False)
        except FileExistsError:
            self._in_the_way[path] = None
        except FileNotFoundError:
            return  # somebody has just removed the crop or the folder
        except OSError:
            copy = self._copied(source)
            if status(self._path(path)):
                self._in_the_way[path] = None
            else:
                os.replace(copy, self._path(path))  # noqa: PTH105  as above

    def _replace(self, source: str, path: str, digests: Sequence[FileDigest]) -> None:
        copy = self._copied(source)
        if has_bytes_of(self._path(path), digests):
            os.replace(copy, self._path(path))  # noqa: PTH105  as above
        else:
            self._in_the_way[path] = None

    def _copied(self, source: str) -> Path:
        """Make a link to a crop, or a copy of it, under a hidden name; return its path."""
        if self._scratch is None:
            self._scratch = self.manifest.scratch()
        with suppress(FileNotFoundError):
            os.unlink(self._scratch)  # noqa: PTH108  as above
        try:
            os.link(self._path(source), self._scratch, follow_symlinks=False)
        except OSError:
            shutil.copyfile(self._path(source), self._scratch)
            found = self._path(source).stat()
            os.utime(self._scratch, ns=(found.st_atime_ns, found.st_mtime_ns))  # so that both fit one digest
        return self._scratch

    def _lines(self) -> Iterator[str]:
        found = list(self._in_the_way)
        for path in found[:_REPORTED]:
            yield f"{path} was kept as it is, since no command wrote it; the crop is not shown there"
        if len(found) > _REPORTED:
            yield f"{len(found) - _REPORTED} more such paths were kept as they are"


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _with_those_above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _is_known(crop: Path, target: Path, digests: Sequence[FileDigest]) -> bool:
    """Return whether a crop and its entry are unchanged, by size and time, without reading them."""
    crop_found, target_found = status(crop), status(target)
    if crop_found is None or target_found is None:
        return True  # the entry cannot be made without its crop
    return any(digest.fits(crop_found) and digest.fits(target_found) for digest in digests)
