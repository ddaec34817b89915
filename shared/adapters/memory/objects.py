"""Objects in a dictionary: for tests, and for programs that embed facestream."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from shared.errors import ObjectMissing, ObjectTooLarge
from shared.ports.objects import ObjectInfo, StoredObject


class MemoryObjectStore:
    """An `ObjectStore` whose buckets come into being with their first object."""

    def __init__(self) -> None:
        self._buckets: defaultdict[str, dict[str, tuple[bytes, datetime]]] = defaultdict(dict)

    def get(self, bucket: str, key: str, limit: int) -> StoredObject:
        """Return an object; raises `ObjectMissing`, `ObjectTooLarge`."""
        try:
            data, _ = self._buckets[bucket][key]
        except KeyError:
            msg = f"{bucket}/{key}: no such object"
            raise ObjectMissing(msg) from None
        if len(data) > limit:
            raise ObjectTooLarge(len(data), limit)
        return StoredObject(data, _etag(data), len(data))

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether there is an object of this key."""
        return key in self._buckets[bucket]

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  of the port
        """Store an object."""
        self._buckets[bucket][key] = (bytes(data), datetime.now(UTC))

    def remove(self, bucket: str, keys: Iterable[str]) -> None:
        """Remove objects."""
        for key in keys:
            self._buckets[bucket].pop(key, None)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects that are there when the iteration begins."""
        # Python compares texts by code point, and UTF-8 keeps that order.
        for key, (data, modified) in sorted(self._buckets[bucket].items()):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(data), modified, _etag(data))


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
