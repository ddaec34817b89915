"""Which file of a folder held which photograph when it was last looked at.

An `ObjectStore` of a folder knows names, sizes and times; what a photograph is, its bytes decide. The index joins the
two, so that a file that nobody has touched need not be read again, and one that was touched, renamed or copied is
known again by its bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file as it was when it was last looked at.

    `stamp`: what the store said of it (`ObjectInfo.stamp`); empty where that is not known. `size` in bytes. `etag`:
    MD5 of its bytes, empty where they were never read; of a file that is no photograph, the decoders that were known
    when that was said. `image_id`: the photograph that it holds; several files with
    equal bytes hold one. Empty: it is no photograph. `unread_by`: None where the photograph was decoded; empty where
    the system refused it (permission, time, memory), so that it is tried again; else the decoders and limits by which
    its bytes were found to be unreadable (`services.standalone.library.decoders`), or why the file is no photograph.
    """

    key: str
    stamp: str
    size: int
    etag: str
    image_id: str
    unread_by: str | None = None


class FileIndex(Protocol):
    """The files of one folder. Every call blocks; raises `Transient` where no answer comes."""

    def begin_run(self) -> bool:
        """Note that a run begins; say whether the one before it came to its end."""
        ...

    def end_run(self) -> None:
        """Note that the run has come to its end."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Write all that is written within the context, in the repository beside the index too, or nothing of it."""
        ...

    def files(self) -> Iterator[IndexedFile]:
        """Yield every file, in ascending order of the UTF-8 bytes of its key. Writing meanwhile is allowed."""
        ...

    def named(self, keys: Collection[str]) -> Mapping[str, IndexedFile]:
        """Return each of these files that is known, by key."""
        ...

    def save(self, files: Sequence[IndexedFile]) -> None:
        """Store files; one of the same key is replaced."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Remove files; those that are not there are passed over."""
        ...

    def sizes_among(self, sizes: Collection[int]) -> frozenset[int]:
        """Return those of these sizes that some photograph has whose bytes were read."""
        ...

    def with_contents(self, etags: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the photographs with each of these etags that any has, by etag, in ascending order of their keys."""
        ...

    def copies(self) -> int:
        """Return how many files hold a photograph that another file holds too, the first of each not counted."""
        ...

    def passed_over(self) -> Iterator[tuple[str, str]]:
        """Yield the key of each file that is no photograph, and why it is none, in ascending order of the keys."""
        ...

    def of_images(self, image_ids: Collection[str]) -> Mapping[str, Sequence[IndexedFile]]:
        """Return the files that hold each of these photographs, by image id, in ascending order of their keys."""
        ...
