"""Which photograph a file holds: equal bytes are the same one, whatever the file's name, time or disk.

A file that was touched, renamed, copied or put elsewhere is known by its MD5 and size, and nothing but reading it is
done. Read are only files that may hold something known: those that were touched and kept their size, and others of a
size that some photograph has. Two different files of one MD5 can be made on purpose; the second one is then passed
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

_THREADS = 4  # that read; each holds one file in memory
_BLOCK = 500  # files looked up at once


@dataclass(frozen=True, slots=True)
class Findings:
    """What the files of a folder turned out to hold.

    `same`: files whose bytes are those of before, with their new stamps. `elsewhere`: files of new names, or new
    content, that hold a known photograph. `vacated`: known files that no longer hold their photograph, which is
    elsewhere; `homes` maps each such photograph to a key where it is. `pending`: files to be decoded, `copies` those
    with the bytes of a pending one, each with its MD5. `refused`: files that cannot be read now, with the reasons.
    `missing`: files that are gone, and their photographs with them; `disowned`: those that are passed over now.
    `overwritten`: photographs in whose file there is now what is known from others.
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
    """What reads files: the folder and its bucket, the size of the largest file in bytes, the name of the decoders."""

    folder: PhotoFolder
    bucket: str
    max_bytes: int
    decoders: str

    def etag_of(self, info: ObjectInfo) -> str | ObjectError:
        """Return the MD5 of a file, or why it cannot be read."""
        try:
            return self.folder.get(self.bucket, info.key, max(info.size, self.max_bytes)).etag
        except ObjectError as error:
            return error

    def refusal_of(self, info: ObjectInfo) -> ObjectError | None:
        """Return why not even the first byte of a file can be read, None where it can."""
        try:
            self.folder.head(self.bucket, info.key, 1)
        except ObjectError as error:
            return error
        return None


def identify(comparison: Comparison, index: FileIndex, reader: Reader) -> Findings:
    """Find out which photograph each file holds that is not as it was; what is as it was is written down at once.

    Files above the limit are read only if a photograph of their size is known. Raises `Transient`.
    """
    return _Search(comparison, index, reader).findings()


class _Search:
    """One look at the files that may not hold what they held."""

    def __init__(self, comparison: Comparison, index: FileIndex, reader: Reader) -> None:
        self._comparison = comparison
        self._index = index
        self._reader = reader
        self._known = {file.key: file for _, file in comparison.changed}
        self._found = Findings()
        self._etags: dict[str, str] = {}
        self._out: set[str] = set()  # keys of files that are gone since they were listed, or cannot be read

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
        """Read what may hold something known."""
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
                # A run that is killed need not read these again.
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
            self._out.add(info.key)  # removed since it was listed: the next run misses it
        elif file is not None:  # a new one is recorded as unreadable
            self._out.add(info.key)
            self._found.refused[info.key] = str(error).removeprefix(f"{self._reader.bucket}/{info.key}: ")

    def _worth_reading(self) -> list[ObjectInfo]:
        infos = [info for info, _ in self._comparison.changed if info.key not in self._out]
        touched = [info for info in infos if (file := self._known[info.key]).etag and info.size == file.size]
        decided = {info.key for info in touched}
        # All empty files are equal, and nothing is in them.
        others = [info for info in [*infos, *self._comparison.new] if info.key not in decided and info.size]
        sizes = Counter(info.size for info in others)
        known = self._index.sizes_among(sizes.keys())
        limit = self._reader.max_bytes
        alike = [info for info in others if info.size in known or (sizes[info.size] > 1 and info.size <= limit)]
        return [*touched, *alike]

    def _sort_in(self, fresh: Iterable[ObjectInfo], vacated: Container[str]) -> None:
        """Say of files with unknown content whether they hold what is known, are to be decoded, or copies of such."""
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
        """Return a file of before with these bytes, one that has lost its place first.

        What other decoders could not read is not known; what these cannot does not take the place of a photograph
        unseen (`Run.take_in` counts how often that happens).
        """
        own = self._known.get(info.key)
        allowed: tuple[str | None, ...] = (None,) if own and own.unread_by is None else (None, self._reader.decoders)
        alike = [file for file in files if file.size == info.size and file.unread_by in allowed]
        return min(alike, key=lambda file: (file.image_id in taken, file.key not in vacated, file.key), default=None)

    def _follow(self, vacated: Sequence[IndexedFile], listed: Container[str]) -> None:
        """Say of files that no longer hold their photograph where that is now, if it is anywhere."""
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
