"""Which photograph a file holds: files with equal bytes hold the same one, regardless of names, times and disks.

A file that was touched, renamed, copied or moved is identified by its MD5 and size; it is read, but not decoded. Only
files that may hold a known photograph are read: those that were touched and kept their size, and others that have the
size of a known photograph. Somebody can make two different files with one MD5 on purpose; the second one is then passed
over as a copy of the first.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from more_itertools import chunked

from services.standalone.library.changes import Comparison
from shared.errors import ObjectError, ObjectMissing
from shared.photos.photo_files import PhotoFolder
from shared.ports.file_index import FileIndex, IndexedFile
from shared.ports.objects import ObjectInfo

_THREADS = 4  # for reading; each has one file in memory
_BLOCK = 500  # files looked up at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the files of a folder hold.

    `same`: files with the bytes that they had before, with their new stamps. `elsewhere`: files that are new, or have
    new bytes, and hold a known photograph. `vacated`: known files that no longer hold their photograph, while another
    file does; `homes` has the key of that file by image id. `pending`: files to be decoded. `copies`: files with the
    bytes of a pending one, each with its MD5. `refused`: why files cannot be read now, by key. `missing`: files that
    are gone, together with their photographs. `disowned`: files with known photographs that are passed over now.
    `overwritten`: image ids of photographs whose file now holds another known photograph.
    """

    same: list[IndexedFile] = field(default_factory=list)
    elsewhere: list[IndexedFile] = field(default_factory=list)
    vacated: list[IndexedFile] = field(default_factory=list)
    homes: dict[str, str] = field(default_factory=dict)
    pending: list[ObjectInfo] = field(default_factory=list)
    copies: list[tuple[ObjectInfo, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    missing: list[IndexedFile] = field(default_factory=list)
    disowned: list[IndexedFile] = field(default_factory=list)
    overwritten: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the files of a folder.

    `max_bytes`: size in bytes of the largest file that a run decodes. `decoders` names the decoders of this run.
    """

    folder: PhotoFolder
    bucket: str
    max_bytes: int
    decoders: str

    def etag_of(self, info: ObjectInfo) -> str | ObjectError:
        """Return the MD5 of a file, or the error of reading it."""
        try:
            return self.folder.get(self.bucket, info.key, max(info.size, self.max_bytes)).etag
        except ObjectError as error:
            return error

    def refusal_of(self, info: ObjectInfo) -> ObjectError | None:
        """Return the error of reading the first byte of a file; None if it can be read."""
        try:
            self.folder.head(self.bucket, info.key, 1)
        except ObjectError as error:
            return error
        return None


def identify(comparison: Comparison, index: FileIndex, reader: Reader) -> Findings:
    """Find out which photograph each file holds that is new or was touched.

    Files whose bytes are as before are stored in the index at once, so that a run that is killed need not read them
    again. Files above the limit are read only if a photograph of their size is known. Raises `Transient`.
    """
    return _Search(comparison, index, reader).findings()


class _Search:
    """Finds out which photographs the files hold that are new or were touched. It is used once."""

    def __init__(self, comparison: Comparison, index: FileIndex, reader: Reader) -> None:
        self._comparison = comparison
        self._index = index
        self._reader = reader
        self._known = {file.key: file for _, file in comparison.changed}
        self._found = Findings()
        self._etags: dict[str, str] = {}
        self._out: set[str] = set()  # keys of files that were removed after the listing, or cannot be read

    def findings(self) -> Findings:
        comparison, found = self._comparison, self._found
        self._read()
        changed = [(info, file) for info, file in comparison.changed if info.key not in self._out]
        fresh = [info for info in comparison.new if info.key not in self._out]
        vacated = [*comparison.missing, *comparison.disowned]
        for info, file in changed:
            if not self._is_same(info, file):
                fresh.append(info)
                vacated.append(file)
        self._sort_in(fresh, {file.key for file in vacated})
        self._follow(vacated, {info.key for info in fresh})
        return found

    def _is_same(self, info: ObjectInfo, file: IndexedFile) -> bool:
        same_bytes = info.size == file.size and bool(file.etag) and self._etags.get(info.key) == file.etag
        return same_bytes and file.unread_by in (None, self._reader.decoders)

    def _read(self) -> None:
        """Read the files that may hold a known photograph."""
        with ThreadPoolExecutor(_THREADS, "read") as threads:
            closed = [info for info, file in self._comparison.changed if file.unread_by == ""]
            for info, error in zip(closed, threads.map(self._reader.refusal_of, closed), strict=True):
                if error:
                    self._leave_out(info, error)
            for block in chunked(self._worth_reading(), _BLOCK):
                for info, answer in zip(block, threads.map(self._reader.etag_of, block), strict=True):
                    if isinstance(answer, ObjectError):
                        self._leave_out(info, answer)
                    else:
                        self._etags[info.key] = answer
                same = [
                    replace(file, stamp=info.stamp)
                    for info in block
                    if (file := self._known.get(info.key)) and self._is_same(info, file)
                ]
                self._index.save(same)
                self._found.same.extend(same)

    def _leave_out(self, info: ObjectInfo, error: ObjectError) -> None:
        file = self._known.get(info.key)
        if isinstance(error, ObjectMissing):
            self._out.add(info.key)  # removed after the listing: the next run finds it missing
        elif file is not None:  # a new file is stored as unreadable
            self._out.add(info.key)
            self._found.refused[info.key] = str(error).removeprefix(f"{self._reader.bucket}/{info.key}: ")

    def _worth_reading(self) -> list[ObjectInfo]:
        infos = [info for info, _ in self._comparison.changed if info.key not in self._out]
        touched = [info for info in infos if (file := self._known[info.key]).etag and info.size == file.size]
        decided = {info.key for info in touched}
        # All empty files are equal, and hold nothing.
        others = [info for info in [*infos, *self._comparison.new] if info.key not in decided and info.size]
        sizes = Counter(info.size for info in others)
        known = self._index.sizes_among(sizes.keys())
        limit = self._reader.max_bytes
        alike = [info for info in others if info.size in known or (sizes[info.size] > 1 and info.size <= limit)]
        return [*touched, *alike]

    def _sort_in(self, fresh: Iterable[ObjectInfo], vacated: Container[str]) -> None:
        """Sort files of unknown content: those with a known photograph, those to be decoded, and copies of these."""
        decoded: set[tuple[str, int]] = set()
        taken: set[str] = set()
        for block in chunked(sorted(fresh, key=lambda info: info.key), _BLOCK):
            known = self._index.with_contents({etag for info in block if (etag := self._etags.get(info.key))})
            for info in block:
                etag = self._etags.get(info.key, "")
                match = self._match(info, known.get(etag, ()), vacated, taken)
                if match:
                    taken.add(match.image_id)
                    self._found.elsewhere.append(replace(match, key=info.key, stamp=info.stamp))
                elif etag and (etag, info.size) in decoded:
                    self._found.copies.append((info, etag))
                else:
                    self._found.pending.append(info)
                    decoded.add((etag, info.size))

    def _match(
        self, info: ObjectInfo, files: Iterable[IndexedFile], vacated: Container[str], taken: Container[str]
    ) -> IndexedFile | None:
        """Return a known file with the bytes of this one, preferably one that no longer holds its photograph.

        A file that other decoders could not read does not count as known. Nor does one that the present decoders could
        not read, if this file had a decoded photograph before: `Update.finish` counts how often that happens.
        """
        own = self._known.get(info.key)
        allowed: tuple[str | None, ...] = (None,) if own and own.unread_by is None else (None, self._reader.decoders)
        alike = [file for file in files if file.size == info.size and file.unread_by in allowed]
        return min(alike, key=lambda file: (file.image_id in taken, file.key not in vacated, file.key), default=None)

    def _follow(self, vacated: Sequence[IndexedFile], listed: Container[str]) -> None:
        """Find for files that no longer hold their photograph the file that holds it now, if there is one."""
        found, disowned = self._found, {file.key for file in self._comparison.disowned}
        left = {file.key for file in vacated}
        now: defaultdict[str, list[str]] = defaultdict(list)
        for file in found.elsewhere:
            now[file.image_id].append(file.key)
        holds_known = {file.key for file in found.elsewhere}
        for block in chunked(vacated, _BLOCK):
            kept = self._index.of_images({file.image_id for file in block})
            for file in block:
                others = [other.key for other in kept.get(file.image_id, ()) if other.key not in left]
                homes = [*now[file.image_id], *others]
                if homes:
                    found.homes[file.image_id] = min(homes)
                    found.vacated.append(file)
                elif file.key in disowned:
                    found.disowned.append(file)
                elif file.key not in listed:
                    found.missing.append(file)
                elif file.key in holds_known:
                    found.overwritten.add(file.image_id)
