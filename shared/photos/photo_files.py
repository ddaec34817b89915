"""The photographs among the files of a folder, by their names or, if these show nothing certain, by their bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shared.errors import ObjectError, ObjectMissing
from shared.photos.file_kinds import HEAD_SIZE, kind_of
from shared.photos.photo_names import Likely, PassedOver, Reason, Verdict
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import FolderEntry, ObjectInfo, ObjectStore


class PhotoFolder(ObjectStore, Protocol):
    """A folder whose files are objects, such as `FolderStore`."""

    def walk(self, bucket: str) -> Iterator[FolderEntry]:
        """Yield the entries of `list` and also the links that it passes over, in one order; raises `Transient`."""
        ...

    def head(self, bucket: str, key: str, size: int) -> bytes:
        """Return the first `size` bytes of a file, or all if it is shorter; raises as `ObjectStore.get` does."""
        ...


@dataclass(frozen=True, slots=True)
class SortedFile:
    """A file of a folder, and why it is passed over; None if it is a photograph."""

    info: ObjectInfo
    passed_over: PassedOver | None


def sorted_files(
    folder: PhotoFolder, bucket: str, rule: PhotoRule, wanted: Callable[[str], bool] | None = None
) -> Iterator[SortedFile]:
    """Yield every file of a folder in the order of the keys; with `wanted`, only files whose keys it accepts.

    Only files whose names show nothing certain are opened. A file that cannot be opened counts as a photograph, so that
    it is reported as unreadable instead of being passed over. Raises `Transient`.
    """
    for entry in folder.walk(bucket):
        key = entry.info.key
        if wanted and not (key.endswith("/") or wanted(key)):
            continue
        try:
            found = passed_over(folder, bucket, entry, rule.in_folder(key))
        except ObjectMissing:
            continue  # removed after its name was read
        yield SortedFile(entry.info, found)


def passed_over(folder: PhotoFolder, bucket: str, entry: FolderEntry, verdict: Verdict) -> PassedOver | None:
    """Return why a file with this verdict on its name is passed over; None if it is a photograph.

    A file that cannot be opened counts as a photograph, so that it is reported as unreadable. Raises `ObjectMissing` if
    it was removed after its name was read, and `Transient`.
    """
    if isinstance(verdict, PassedOver):
        return verdict
    if entry.is_repeated:
        return PassedOver(Reason.LINK)
    if verdict is Likely.PHOTOGRAPH:
        return None
    try:
        return passed_over_by_bytes(folder.head(bucket, entry.info.key, HEAD_SIZE))
    except ObjectMissing:
        raise
    except ObjectError:
        return None


def passed_over_by_bytes(beginning: bytes) -> PassedOver | None:
    """Return why a file that begins with these bytes is passed over; None if it is a picture."""
    kind = kind_of(beginning)
    return None if kind.is_image else PassedOver(Reason.NOT_A_PICTURE, kind.name)
