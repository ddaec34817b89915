"""The work of `facestream ingest`: upload a folder of photographs to the bucket."""

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

from cli.output.file_progress import FileProgress
from shared.adapters.folder.store import FolderStore
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.errors import InvalidInput, ObjectError, Transient
from shared.ordered import ordered_map
from shared.photos.photo_files import PhotoFolder, sorted_files
from shared.photos.photo_names import Reason, passed_over_in_words
from shared.photos.photo_rule import PhotoRule, PhotoSettings
from shared.ports.objects import ObjectInfo, ObjectStore, StoredObject
from shared.settings import BucketSettings

_FOLDER = "folder"  # name under which the folder store offers the folder
_LARGEST = 5 * 2**30  # bytes; S3 accepts no larger object in one request
# An upload is tried four times, with pauses of 0.5, 2 and 8 s. Each is lengthened by up to 0.5 s, so that the threads
# do not all try again at once.
_RETRYING = Retrying(
    retry=retry_if_exception_type(Transient),
    wait=wait_exponential_jitter(multiplier=0.5, exp_base=4, jitter=0.5),
    stop=stop_after_attempt(4),
    reraise=True,
)
_TYPES = mimetypes.MimeTypes()  # without this machine's own list: the type of an upload depends on its name only
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class UploadOutcome(Enum):
    """The outcome of the upload of one photograph. `PRESENT`: the bucket had the same content already."""

    SENT = auto()
    PRESENT = auto()
    FAILED = auto()


@dataclass(kw_only=True)
class UploadCounts:
    """Numbers of photographs by outcome, and of files that are no photographs by reason."""

    sent: int = 0
    present: int = 0
    failed: int = 0
    passed_over: Counter[Reason] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield the numbers as lines of text."""
        failed = f", {self.failed} failed (see above)" if self.failed else ""
        yield f"photographs: {self.sent} uploaded, {self.present} already in the bucket{failed}"
        if self.passed_over:
            yield passed_over_in_words(self.passed_over)


def ingest_folder(folder: Path, threads: int) -> UploadCounts:
    """Upload a folder to the bucket of the settings; `threads`: number of photographs that are uploaded at once.

    Raises `InvalidInput` if the path is not a folder, `Transient`, and `Fatal`.
    """
    if not folder.is_dir():
        msg = f"{folder}: expected a folder of photographs, found {'a file' if folder.exists() else 'nothing'}"
        raise InvalidInput(msg)
    settings = MinioSettings()
    settings = settings.model_copy(update={"connections": max(threads + 1, settings.connections)})
    return upload(
        FolderStore({_FOLDER: folder}),
        MinioStore(settings),
        BucketSettings().photos,
        threads=threads,
        rule=PhotoRule.of(PhotoSettings(), above=str(folder.resolve())),
        progress=FileProgress(),
    )


def upload(
    folder: PhotoFolder, objects: ObjectStore, bucket: str, *, threads: int, rule: PhotoRule, progress: FileProgress
) -> UploadCounts:
    """Put every photograph of a folder store into a bucket, except those whose content is there already.

    At most `threads` photographs are in memory at once. A photograph that cannot be uploaded is reported.
    """
    counts, total = UploadCounts(), 0
    for file in sorted_files(folder, _FOLDER, rule):
        if file.passed_over:
            counts.passed_over[file.passed_over.reason] += 1
        else:
            total += 1
    photos = (file.info for file in sorted_files(folder, _FOLDER, rule) if file.passed_over is None)

    def send(pair: tuple[ObjectInfo, ObjectInfo | None]) -> tuple[str, UploadOutcome, str]:
        info, stored = pair
        try:
            return info.key, _sent(folder, objects, bucket, info, stored), ""
        except ObjectError as error:
            return info.key, UploadOutcome.FAILED, str(error).removeprefix(f"{_FOLDER}/{info.key}: ")

    results = _parallel(send, paired(photos, objects.list(bucket)), threads)
    for key, outcome, reason in progress.over(results, total, "uploading"):
        match outcome:
            case UploadOutcome.SENT:
                counts.sent += 1
            case UploadOutcome.PRESENT:
                counts.present += 1
            case UploadOutcome.FAILED:
                counts.failed += 1
                progress.refused(key, reason)
    return counts


def paired(
    wanted: Iterable[ObjectInfo], others: Iterable[ObjectInfo]
) -> Iterator[tuple[ObjectInfo, ObjectInfo | None]]:
    """Yield each wanted object with the one of the same key among `others`, or None; both are sorted by key.

    Unlike `outer_join`, it ends with the last wanted object: the rest of the bucket is not listed.
    """
    rest = peekable(others)
    for info in wanted:
        while rest and rest.peek().key < info.key:
            next(rest)
        yield info, rest.peek() if rest and rest.peek().key == info.key else None


def _sent(
    folder: ObjectStore, objects: ObjectStore, bucket: str, info: ObjectInfo, stored: ObjectInfo | None
) -> UploadOutcome:
    found = folder.get(_FOLDER, info.key, _LARGEST)
    return _RETRYING(_put, objects, bucket, info.key, found, stored)


def _put(objects: ObjectStore, bucket: str, key: str, found: StoredObject, stored: ObjectInfo | None) -> UploadOutcome:
    size_and_md5 = (stored.size, stored.etag) if stored else _unlisted(objects, bucket, key, len(found.data))
    if size_and_md5 == (len(found.data), found.etag):
        return UploadOutcome.PRESENT
    objects.put(bucket, key, found.data, _TYPES.guess_type(key)[0] or "application/octet-stream")
    return UploadOutcome.SENT


def _unlisted(objects: ObjectStore, bucket: str, key: str, size: int) -> tuple[int, str] | None:
    """Return size and MD5 of an object that exists although no listing shows it: MinIO omits whole folders.

    None if there is no such object of up to `size` bytes.
    """
    try:
        stored = objects.get(bucket, key, size) if objects.exists(bucket, key) else None
    except ObjectError:  # it is larger, or this user may only write: then the photograph is uploaded once more
        return None
    return (len(stored.data), stored.etag) if stored else None


def _parallel(call: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """Yield the results in the order of the items; at most twice `threads` items are consumed before their results."""
    with ThreadPoolExecutor(threads, "upload") as pool:

        def submit(item: _Item) -> Future[_Result]:
            return pool.submit(call, item)

        try:
            yield from ordered_map(submit, items, most_pending=2 * threads - 1)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
