"""Which photograph a file holds: equal bytes are the same one, whatever the file's name, time or disk.

A file that was touched, renamed, copied or put elsewhere is known by its MD5 and size, and nothing but reading it is
done. Read are only files that may hold something known: those that were touched and kept their size, and others of a
size that some photograph has. Two different files of one MD5 can be made on purpose; the second one is then passed
over as a copy of the first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from more_itertools import chunked

from services.standalone.scan import Comparison
from shared.errors import ObjectError, ObjectMissing
from shared.file_index import FileIndex, IndexedFile
from shared.ports import ObjectInfo, ObjectStore

_THREADS = 4  # that read; each holds one file in memory
_BLOCK = 500  # files looked up at once


@dataclass(frozen=True, slots=True)
class Findings:
    """What the files of a folder turned out to hold.

    `same`: files whose bytes are those of before, with their new stamps. `elsewhere`: files of new names, or new
    content, that hold a known photograph. `renamed`: known files that are gone while their photograph is not; `homes`
    maps each such photograph to a key where it is now. `pending`: files to be decoded, `copies` those with the bytes
    of a pending one, each with its MD5. `refused`: known files that cannot be read now, with the reasons. `missing`:
    files that are gone, and their photographs with them. `overwritten`: photographs in whose file there is now what is
    known from others.
    """

    same: list[IndexedFile] = field(default_factory=list)
    elsewhere: list[IndexedFile] = field(default_factory=list)
    renamed: list[IndexedFile] = field(default_factory=list)
    homes: dict[str, str] = field(default_factory=dict)
    pending: list[ObjectInfo] = field(default_factory=list)
    copies: list[tuple[ObjectInfo, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    missing: list[IndexedFile] = field(default_factory=list)
    overwritten: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads files: the store and its bucket, the size of the largest file in bytes, the name of the decoders."""

    objects: ObjectStore
    bucket: str
    max_bytes: int
    decoders: str


def identify(comparison: Comparison, index: FileIndex, reader: Reader) -> Findings:
    """Find out which photograph each file holds that is not as it was.

    Files above the limit are not read: they are known by name, size and time alone. Raises `Transient`.
    """
    wanted = _worth_reading(comparison, index, reader.max_bytes)
    etags: dict[str, str] = {}
    refusals: dict[str, str] = {}
    gone: set[str] = set()
    for info, answer in _read(wanted, reader):
        if isinstance(answer, ObjectMissing):
            gone.add(info.key)  # removed since it was listed: the next run misses it
        elif isinstance(answer, ObjectError):
            refusals[info.key] = str(answer).removeprefix(f"{reader.bucket}/{info.key}: ")
        else:
            etags[info.key] = answer
    found = Findings()
    fresh, vacated = [info for info in comparison.new if info.key not in gone], list(comparison.missing)
    for info, file in comparison.changed:
        if info.key in gone:
            continue
        if file.unread_by is not None:  # what could not be decoded is tried again
            fresh.append(info)
            vacated.append(file)
        elif info.key in refusals:
            found.refused[info.key] = refusals[info.key]
        elif etags.get(info.key) == file.etag and info.size == file.size:
            found.same.append(replace(file, stamp=info.stamp))
        else:
            fresh.append(info)
            vacated.append(file)
    _sort_in(found, fresh, etags, index, reader.decoders)
    listed = {info.key for info in fresh}
    _follow(found, vacated, listed, index)
    return found


def _worth_reading(comparison: Comparison, index: FileIndex, max_bytes: int) -> list[ObjectInfo]:
    touched = [info for info, file in comparison.changed if file.unread_by is None and info.size == file.size]
    decided = {info.key for info in touched}
    # All empty files are equal, and nothing is in them.
    others = [info for info, _ in comparison.changed if info.key not in decided and info.size]
    others += [info for info in comparison.new if info.size]
    sizes = Counter(info.size for info in others)
    twice = {size for size, count in sizes.items() if count > 1}
    known = index.sizes_among(sizes.keys())
    alike = [info for info in others if info.size in known or info.size in twice]
    return [info for info in [*touched, *alike] if info.size <= max_bytes]


def _read(infos: Sequence[ObjectInfo], reader: Reader) -> Iterator[tuple[ObjectInfo, str | ObjectError]]:
    """Yield each file with its MD5, or why it cannot be read."""

    def etag_of(info: ObjectInfo) -> str | ObjectError:
        try:
            return reader.objects.get(reader.bucket, info.key).etag
        except ObjectError as error:
            return error

    with ThreadPoolExecutor(_THREADS, "read") as threads:
        for block in chunked(infos, _BLOCK):
            yield from zip(block, threads.map(etag_of, block), strict=True)


def _sort_in(
    found: Findings, fresh: Iterable[ObjectInfo], etags: Mapping[str, str], index: FileIndex, decoders: str
) -> None:
    """Say of files with unknown content whether they hold what is known, are to be decoded, or are copies of such.

    What other decoders could not read is not known.
    """
    decoded: set[tuple[str, int]] = set()
    for block in chunked(sorted(fresh, key=lambda info: info.key), _BLOCK):
        known = index.with_contents({etag for info in block if (etag := etags.get(info.key))})
        for info in block:
            etag = etags.get(info.key, "")
            alike = (file for file in known.get(etag, ()) if file.size == info.size)
            match = next((file for file in alike if file.unread_by in (None, decoders)), None)
            if match:
                found.elsewhere.append(replace(match, key=info.key, stamp=info.stamp))
            elif etag and (etag, info.size) in decoded:
                found.copies.append((info, etag))
            else:
                found.pending.append(info)
                decoded.add((etag, info.size))


def _follow(found: Findings, vacated: Sequence[IndexedFile], listed: set[str], index: FileIndex) -> None:
    """Say of files that no longer hold their photograph where that is now, if it is anywhere."""
    left = {file.key for file in vacated}
    now: defaultdict[str, list[str]] = defaultdict(list)
    for file in found.elsewhere:
        now[file.image_id].append(file.key)
    holds_known = {file.key for file in found.elsewhere}
    for block in chunked(vacated, _BLOCK):
        kept = index.of_images({file.image_id for file in block})
        for file in block:
            others = [other.key for other in kept.get(file.image_id, ()) if other.key not in left]
            homes = [*now[file.image_id], *others]
            if homes:
                found.homes[file.image_id] = min(homes)
                found.renamed.append(file)
            elif file.key not in listed:
                found.missing.append(file)
            elif file.key in holds_known:
                found.overwritten.add(file.image_id)
