"""The folders `people` and `unknown`: kept as the database says, around whatever a person has put or renamed there.

A crop is added where one is missing, and taken away where one that a command has put there is wanted no longer and
still has the bytes it had. All else stays: other files, other folders, what was edited, what a link leads to.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.standalone.result.folder import PEOPLE, UNKNOWN
from services.standalone.result.manifest import Manifest
from services.standalone.result.proof import Proof, has_bytes_of, is_plain_folder, is_same, proof_of, seems_as, status

_ENTRIES_TOLD = 10  # of what is in the way; the rest is counted


@dataclass(frozen=True, slots=True)
class _Compared:
    """What of wanted paths is to be done: proofs of their crops, by path."""

    missing: dict[str, Proof] = field(default_factory=dict)
    changed: dict[str, Proof] = field(default_factory=dict)  # a command has put another crop there
    same: dict[str, Proof] = field(default_factory=dict)  # but for its time
    foreign: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PersonFolders:
    """The two folders of a result while they are brought up to date."""

    manifest: Manifest
    _in_the_way: dict[str, None] = field(default_factory=dict)  # in the order they were met
    _scratch: Path | None = None

    def bring_up_to_date(self) -> list[str]:
        """Make the folders hold what the manifest collected as wanted; return lines on what was in the way.

        At any moment of it, also when the process ends there, a reader finds whole files, and what the manifest notes
        of each path is true of it or of nothing.
        """
        for folder in (PEOPLE, UNKNOWN):
            self._make(folder)
        for block in self.manifest.wanted():
            self._add(block)
        for folder in (PEOPLE, UNKNOWN):
            for paths in self.manifest.unwanted(folder):
                self._take_away(paths)
        self._remove_empty_folders()
        return list(self._lines())

    def _add(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Add the crops of a block that are missing, and replace those that have changed."""
        known = self.manifest.proofs([path for path, _ in wanted])
        found = self._compared(wanted, known)
        if found.missing or found.changed:
            folders = {_folder_of(path) for path in found.missing} - {UNKNOWN}
            new_folders = [folder for folder in folders if not status(self._place(folder))]
            self.manifest.note(found.missing | found.changed, new_folders)
        for path, source in wanted:
            if path in found.missing:
                self._make(_folder_of(path))
                self._link(source, path)
            elif path in found.changed:
                self._replace(source, path, known[path])
        there = found.missing | found.changed | found.same
        foreign = [*found.foreign, *(path for path in there if path in self._in_the_way)]
        there = {path: proof for path, proof in there.items() if path not in self._in_the_way}
        if there or any(path in known for path in foreign):
            self.manifest.replace(there, foreign)

    def _compared(self, wanted: Sequence[tuple[str, str]], known: Mapping[str, Sequence[Proof]]) -> _Compared:
        """Compare the paths of a block with what is there and with what is noted; changes nothing."""
        found, blocked_by = _Compared(), self._blocked_by(path for path, _ in wanted)
        for path, source in wanted:
            proofs, target, crop = known.get(path, ()), self._place(path), self._place(source)
            if blocking := blocked_by[_folder_of(path)]:
                found.foreign.append(path)
                self._in_the_way[blocking] = None
            elif not status(target):
                if proof := proof_of(crop):  # a face whose crop someone removed has its place in the other files
                    found.missing[path] = proof
            elif not seems_as(target, proofs):
                found.foreign.append(path)
                if not is_same(crop, target):
                    self._in_the_way[path] = None
            elif not _is_known(crop, target, proofs) and (proof := proof_of(crop)):
                (found.same if has_bytes_of(target, [proof]) else found.changed)[path] = proof
        return found

    def _take_away(self, paths: Sequence[str]) -> None:
        """Remove what is wanted no longer and is as it was made; forget the rest, which is a person's now."""
        known, blocked_by = self.manifest.proofs(paths), self._blocked_by(paths)
        for path in paths:
            if not blocked_by[_folder_of(path)] and has_bytes_of(self._place(path), known[path]):
                os.unlink(self._place(path))  # noqa: PTH108  as all that changes the folder, by the functions of `os`
        self.manifest.replace({}, paths)

    def _remove_empty_folders(self) -> None:
        gone = []
        for folder in self.manifest.folders():
            place = self._place(folder)
            if not is_plain_folder(place) or self._blocking(folder):
                gone.append(folder)
            elif not self.manifest.is_wanted_below(folder):
                with suppress(OSError):  # it holds what a person has put there
                    os.rmdir(place)  # noqa: PTH106  as above
                    gone.append(folder)
        if gone:
            self.manifest.forget_folders(gone)

    def _place(self, path: str) -> Path:
        return self.manifest.out / path

    def _make(self, folder: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(self._place(folder))  # noqa: PTH102  as above

    def _blocked_by(self, paths: Iterable[str]) -> dict[str, str | None]:
        """Return for each folder of these paths what `_blocking` says."""
        return {folder: self._blocking(folder) for folder in {_folder_of(path) for path in paths}}

    def _blocking(self, folder: str) -> str | None:
        """Return that of a folder and those above it which is no folder, or a link that leads out of the result."""
        return next(
            (above for above in _with_those_above(folder) if status(self._place(above)) and not self._is_plain(above)),
            None,
        )

    def _is_plain(self, folder: str) -> bool:
        return is_plain_folder(self._place(folder))

    def _link(self, source: str, path: str) -> None:
        """Put a crop where nothing is, without a second copy of its bytes where the file system can do so."""
        try:
            os.link(self._place(source), self._place(path), follow_symlinks=False)
        except FileExistsError:
            self._in_the_way[path] = None
        except FileNotFoundError:
            return  # someone has just removed the crop, or the folder
        except OSError:
            copy = self._copied(source)
            if status(self._place(path)):
                self._in_the_way[path] = None
            else:
                os.replace(copy, self._place(path))  # noqa: PTH105  as above

    def _replace(self, source: str, path: str, proofs: Sequence[Proof]) -> None:
        copy = self._copied(source)
        if has_bytes_of(self._place(path), proofs):
            os.replace(copy, self._place(path))  # noqa: PTH105  as above
        else:
            self._in_the_way[path] = None

    def _copied(self, source: str) -> Path:
        """Return a link to a crop, or a copy, under a name of its own."""
        if self._scratch is None:
            self._scratch = self.manifest.scratch()
        with suppress(FileNotFoundError):
            os.unlink(self._scratch)  # noqa: PTH108  as above
        try:
            os.link(self._place(source), self._scratch, follow_symlinks=False)
        except OSError:
            shutil.copyfile(self._place(source), self._scratch)
            found = self._place(source).stat()
            os.utime(self._scratch, ns=(found.st_atime_ns, found.st_mtime_ns))  # so that both fit one proof
        return self._scratch

    def _lines(self) -> Iterator[str]:
        told = list(self._in_the_way)
        for path in told[:_ENTRIES_TOLD]:
            yield f"{path} was left as it is: no command wrote it, so that no crop is put there"
        if len(told) > _ENTRIES_TOLD:
            yield f"{len(told) - _ENTRIES_TOLD} more such places were left as they are"


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _with_those_above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _is_known(crop: Path, target: Path, proofs: Sequence[Proof]) -> bool:
    """Say whether a crop and the entry made from it are as they were, without reading them."""
    crop_found, target_found = status(crop), status(target)
    if crop_found is None or target_found is None:
        return True  # nothing to make it from
    return any(proof.fits(crop_found) and proof.fits(target_found) for proof in proofs)
