"""`facestream ingest`: a folder of photographs into the bucket."""

import mimetypes
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import TypeVar

from more_itertools import peekable
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from cli.jobs.watching import Watch
from shared.adapters.folder.store import FolderStore
from shared.adapters.minio.store import MinioSettings, MinioStore
from shared.errors import InvalidInput, ObjectError, Transient
from shared.ordered import ordered_map
from shared.photos.photo_files import PhotoFolder, sorted_files
from shared.photos.photo_names import Reason, passed_over_in_words
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.ports.objects import ObjectInfo, ObjectStore, StoredObject
from shared.settings import BucketSettings

_FOLDER = "folder"  # the name of the bucket that the folder is
_LARGEST = 5 * 2**30  # bytes, of what S3 takes in one request
# An upload is tried four times, with pauses of 0.5, 2 and 8 s, each lengthened by up to 0.5 s: the threads spread.
_RETRYING = Retrying(
    retry=retry_if_exception_type(Transient),
    wait=wait_exponential_jitter(multiplier=0.5, exp_base=4, jitter=0.5),
    stop=stop_after_attempt(4),
    reraise=True,
)
_TYPES = mimetypes.MimeTypes()  # without the files of this machine: an upload is the same from everywhere
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Fate(Enum):
    """What became of one photograph."""

    SENT = auto()
    THERE = auto()
    FAILED = auto()


@dataclass
class Uploaded:
    """How many photographs were sent, were there already, or could not be sent, and what was passed over and why."""

    sent: int = 0
    there: int = 0
    failed: int = 0
    passed_over: Counter[Reason] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield the counts for a person."""
        failed = f", {self.failed} failed (see above)" if self.failed else ""
        yield f"photographs: {self.sent} uploaded, {self.there} there already{failed}"
        if self.passed_over:
            yield passed_over_in_words(self.passed_over)


def ingest_folder(folder: Path, threads: int) -> Uploaded:
    """Upload a folder into the bucket of the settings; raises `InvalidInput` where it is none, `Transient`, `Fatal`."""
    if not folder.is_dir():
        msg = f"{folder}: expected a folder of photographs, found {'a file' if folder.exists() else 'nothing'}"
        raise InvalidInput(msg)
    settings = MinioSettings()
    settings = settings.model_copy(update={"connections": max(threads + 1, settings.connections)})
    rule = PhotoRule.of(PhotoSettings(), above=str(folder.resolve()))
    store = FolderStore({_FOLDER: folder})
    return upload(store, MinioStore(settings), BucketSettings().photos, threads, Watch(), rule=rule)


def upload(
    folder: PhotoFolder, objects: ObjectStore, bucket: str, threads: int, watch: Watch, *, rule: PhotoRule
) -> Uploaded:
    """Put every photograph of a folder store into a bucket, except those that are there; holds `threads` at once."""
    uploaded, total = Uploaded(), 0
    for file in sorted_files(folder, _FOLDER, rule):
        if file.passed_over:
            uploaded.passed_over[file.passed_over.reason] += 1
        else:
            total += 1
    photos = (file.info for file in sorted_files(folder, _FOLDER, rule) if file.passed_over is None)

    def send(pair: tuple[ObjectInfo, ObjectInfo | None]) -> tuple[str, Fate, str]:
        info, there = pair
        try:
            return info.key, _sent(folder, objects, bucket, info, there), ""
        except ObjectError as error:
            return info.key, Fate.FAILED, str(error).removeprefix(f"{_FOLDER}/{info.key}: ")

    for key, fate, reason in watch.over(
        _parallel(send, beside(photos, objects.list(bucket)), threads), total, "uploading"
    ):
        match fate:
            case Fate.SENT:
                uploaded.sent += 1
            case Fate.THERE:
                uploaded.there += 1
            case Fate.FAILED:
                uploaded.failed += 1
                watch.refused(key, reason)
    return uploaded


def beside(
    wanted: Iterable[ObjectInfo], others: Iterable[ObjectInfo]
) -> Iterator[tuple[ObjectInfo, ObjectInfo | None]]:
    """Yield each object with that of the same key among `others`, or None; both come in the order of their keys.

    Unlike `outer_join` it ends with the last object that is wanted: the rest of the bucket is not listed.
    """
    rest = peekable(others)
    for info in wanted:
        while rest and rest.peek().key < info.key:
            next(rest)
        yield info, rest.peek() if rest and rest.peek().key == info.key else None


def _sent(folder: ObjectStore, objects: ObjectStore, bucket: str, info: ObjectInfo, there: ObjectInfo | None) -> Fate:
    found = folder.get(_FOLDER, info.key, _LARGEST)
    return _RETRYING(_placed, objects, bucket, info.key, found, there)


def _placed(objects: ObjectStore, bucket: str, key: str, found: StoredObject, there: ObjectInfo | None) -> Fate:
    if ((there.size, there.etag) if there else _unlisted(objects, bucket, key, len(found.data))) == (
        len(found.data),
        found.etag,
    ):
        return Fate.THERE
    objects.put(bucket, key, found.data, _TYPES.guess_type(key)[0] or "application/octet-stream")
    return Fate.SENT


def _unlisted(objects: ObjectStore, bucket: str, key: str, size: int) -> tuple[int, str] | None:
    """Return size and MD5 of an object that is there though no listing shows it, as MinIO does with whole folders.

    None where there is none of up to `size` bytes.
    """
    try:
        stored = objects.get(bucket, key, size) if objects.exists(bucket, key) else None
    except ObjectError:  # larger; and whoever may only write uploads it once more
        return None
    return (len(stored.data), stored.etag) if stored else None


def _parallel(call: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """Yield the results in the order of the items; no more than twice `threads` items are taken ahead."""
    with ThreadPoolExecutor(threads, "upload") as pool:

        def submit(item: _Item) -> Future[_Result]:
            return pool.submit(call, item)

        try:
            yield from ordered_map(submit, items, most_pending=2 * threads - 1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
