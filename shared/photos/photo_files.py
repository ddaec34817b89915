"""The photographs among the files of a folder: by their names and, where these say nothing, by their first bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shared.errors import ObjectError, ObjectMissing
from shared.photos.file_kinds import LOOKED_AT, kind_of
from shared.photos.photo_names import Likely, PassedOver, Reason, Verdict
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import FolderEntry, ObjectInfo, ObjectStore


class PhotoFolder(ObjectStore, Protocol):
    """A folder of files that are seen as objects: `FolderStore` is one."""

    def walk(self, bucket: str) -> Iterator[FolderEntry]:
        """Yield what `list` does and, between, the links that it passes over; raises `Transient`."""
        ...

    def head(self, bucket: str, key: str, size: int) -> bytes:
        """Return the first `size` bytes of a file, or all of them; raises as `ObjectStore.get` does."""
        ...


@dataclass(frozen=True, slots=True)
class SortedFile:
    """A file of a folder, and why it is passed over; None for a photograph."""

    info: ObjectInfo
    passed_over: PassedOver | None


def sorted_files(
    folder: PhotoFolder, bucket: str, rule: PhotoRule, wanted: Callable[[str], bool] | None = None
) -> Iterator[SortedFile]:
    """Yield every file of a folder in the order of the keys, each with what it is; with `wanted`, those of such names.

    Only files whose names say nothing are opened. What cannot be opened counts as a photograph, so that it is told when
    it cannot be read, and never passed over in silence. Raises `Transient`.
    """
    for entry in folder.walk(bucket):
        key = entry.info.key
        if wanted and not (key.endswith("/") or wanted(key)):
            continue
        try:
            found = passed_over(folder, bucket, entry, rule.in_folder(key))
        except ObjectMissing:
            continue  # removed since its name was read
        yield SortedFile(entry.info, found)


def passed_over(folder: PhotoFolder, bucket: str, entry: FolderEntry, verdict: Verdict) -> PassedOver | None:
    """Return why a file is passed over of which the rule gives this verdict, None where it is a photograph.

    What cannot be opened counts as a photograph, so that it is told when it cannot be read. Raises `ObjectMissing`
    where it was removed since its name was read, and `Transient`.
    """
    if isinstance(verdict, PassedOver):
        return verdict
    if entry.is_repeated:
        return PassedOver(Reason.LINK)
    if verdict is Likely.PHOTOGRAPH:
        return None
    try:
        return passed_over_by_bytes(folder.head(bucket, entry.info.key, LOOKED_AT))
    except ObjectMissing:
        raise
    except ObjectError:
        return None


def passed_over_by_bytes(beginning: bytes) -> PassedOver | None:
    """Return why a file that begins with these bytes is passed over; None where it is a picture."""
    kind = kind_of(beginning)
    return None if kind.is_image else PassedOver(Reason.NOT_A_PICTURE, kind.name)
