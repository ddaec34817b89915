"""The port of objects: photographs and crops in buckets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object in a listing. `modified` is aware, in UTC. `etag` is None where the store would have to read it.

    `stamp`: equal stamps of one key say that nobody has written to the object since; empty where the store has none.
    """

    key: str
    size: int
    modified: datetime
    etag: str | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The bytes of an object; `etag` is the MD5 of a plainly uploaded object, as in S3.

    `size` is the one that a listing tells: of an object that the store keeps compressed, `data` may be longer.
    """

    data: bytes
    etag: str
    size: int


LARGEST_CROP = 16 * 2**20
"""Bytes of a crop that is read; one of ours, of 1024 pixels in width and height at the most, has a quarter of them."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What a walk over a folder comes across: a file, or a link to what it lists anyway (`is_repeated`)."""

    info: ObjectInfo
    is_repeated: bool


class ObjectStore(Protocol):
    """Objects in buckets. Every call blocks, and raises `Transient` where the store does not answer."""

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object of up to `limit` bytes; raises `ObjectMissing` or `ObjectRefused`.

        Raises `ObjectTooLarge` where there are more, holding no more than one byte above the limit in memory: whatever
        anybody was told of the size, the object may be another one by now.
        """
        ...

    def exists(self, bucket: str, key: str) -> bool:
        """Say whether there is an object of this key, by asking for it: a listing may lack what is there.

        False only where the store itself says that there is none; raises `ObjectRefused` where it does not say.
        """
        ...

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store an object, whole or not at all; one of the same key is replaced."""
        ...

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield every object whose key begins with `prefix`, in ascending order of the UTF-8 bytes of its key."""
        ...
