"""The photographs among the files of a folder: by their names and, where these say nothing, by their first bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shared.errors import ObjectError, ObjectMissing
from shared.file_kinds import LOOKED_AT, kind_of
from shared.photo_names import Likely, PassedOver, Reason
from shared.photo_rule import PhotoRule
from shared.ports import FolderEntry, ObjectInfo, ObjectStore


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
        verdict = rule.in_folder(key)
        if verdict is not Likely.LOOK_INSIDE or entry.is_repeated:
            passed_over = verdict if isinstance(verdict, PassedOver) else None
            if entry.is_repeated and passed_over is None:
                passed_over = PassedOver(Reason.LINK)
            yield SortedFile(entry.info, passed_over)
            continue
        try:
            passed_over = passed_over_by_bytes(folder.head(bucket, key, LOOKED_AT))
        except ObjectMissing:
            continue  # removed since its name was read
        except ObjectError:
            passed_over = None
        yield SortedFile(entry.info, passed_over)


def passed_over_by_bytes(beginning: bytes) -> PassedOver | None:
    """Return why a file that begins with these bytes is passed over; None where it is a picture."""
    kind = kind_of(beginning)
    return None if kind.is_image else PassedOver(Reason.NOT_A_PICTURE, kind.name)
