"""The port of the file index: which file of a folder had which photograph when it was last read.

An `ObjectStore` of a folder knows the names, sizes and times of files; the id of a photograph depends on its bytes. The
index has both, so that an unchanged file need not be read again, and a file that was renamed, copied or only touched is
recognised by its bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file as it was when it was last read.

    `stamp`: the file's `ObjectInfo.stamp` at that time, empty if it is not known. `size` in bytes. `etag`: the MD5 of
    the bytes, empty if they were never read; if the file is no photograph, the decoders that were installed when this
    was decided. `image_id`: the photograph in the file, the same for files with equal bytes; empty if the file is no
    photograph. `unread_by`: None if the photograph was decoded; empty if the system refused it (permission, time,
    memory), so that it is tried again; else the decoders and limits with which its bytes were unreadable
    (`services.standalone.library.decoders`), or why the file is no photograph.
    """

    key: str
    stamp: str
    size: int
    etag: str
    image_id: str
    unread_by: str | None = None


class FileIndex(Protocol):
    """The files of one folder. Every call blocks, and raises `Transient` if no answer comes in time."""

    def begin_run(self) -> bool:
        """Note that a run begins; return whether the run before it was completed."""
        ...

    def end_run(self) -> None:
        """Note that the run is completed."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Return a context manager that makes all writes within it one transaction.

        Writes to the repository in the same database are part of it.
        """
        ...

    def files(self) -> Iterator[IndexedFile]:
        """Yield every file, in ascending order of the UTF-8 bytes of its key. Writing meanwhile is allowed."""
        ...

    def named(self, keys: Collection[str]) -> Mapping[str, IndexedFile]:
        """Return those of these files that are in the index, by key."""
        ...

    def save(self, files: Sequence[IndexedFile]) -> None:
        """Store files; one of the same key is replaced."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Remove files; those that are not in the index are ignored."""
        ...

    def sizes_among(self, sizes: Collection[int]) -> frozenset[int]:
        """Return those of these sizes, in bytes, that a photograph has whose bytes were read."""
        ...

    def with_contents(self, etags: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the photographs with each of these etags that any has, by etag, in ascending order of their keys."""
        ...

    def copies(self) -> int:
        """Return the number of files that have the same photograph as an earlier file."""
        ...

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each file that is no photograph, and the reason, in ascending order of the keys."""
        ...

    def of_images(self, image_ids: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the files with each of these photographs, by image id, in ascending order of their keys."""
        ...
