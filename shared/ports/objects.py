"""The port of objects: photographs and crops in buckets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object in a listing.

    `size` in bytes. `modified` is aware, in UTC. `etag` is None if the store would have to read the object for it.
    `stamp` is empty if the store has none; if a key has the same stamp as before, the object was not written since.
    """

    key: str
    size: int
    modified: datetime
    etag: str | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The bytes of an object; `etag` is the MD5 of a plainly uploaded object, as in S3.

    `size`, in bytes, is that of a listing: if the store keeps the object compressed, `data` may be longer.
    """

    data: bytes
    etag: str
    size: int


LARGEST_CROP = 16 * 2**20
"""Bytes of the largest crop that is read; the largest that facestream writes (1024 x 1024 pixels) has a quarter."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """One entry of a folder: a file, or a link to something that the same walk lists elsewhere (`is_repeated`)."""

    info: ObjectInfo
    is_repeated: bool


class ObjectStore(Protocol):
    """Objects in buckets. Every call blocks, and raises `Transient` if the store does not answer."""

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object of up to `limit` bytes; raises `ObjectMissing` and `ObjectRefused`.

        Raises `ObjectTooLarge` if it has more, and reads at most one byte more than the limit: the object may have
        been replaced since its size was known.
        """
        ...

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether an object with this key exists, by a request for this object: a listing may lack it.

        False only if the store itself answers that there is none. Raises `ObjectRefused` if the store refuses to
        answer.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store an object completely or not at all, and replace one with the same key."""
        ...

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects; those that do not exist are ignored."""
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every object whose key begins with `prefix`, in ascending order of the UTF-8 bytes of the keys."""
        ...
