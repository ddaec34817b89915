"""Which files of a folder are no photographs; what was looked into once is not opened again while nobody touches it."""

from shared.errors import ObjectError
from shared.file_index import IndexedFile
from shared.file_kinds import LOOKED_AT
from shared.photo_files import PhotoFolder, passed_over_by_bytes
from shared.photo_names import Likely, PassedOver, Reason
from shared.photo_rule import PhotoRule
from shared.ports import FolderEntry


def passed_over(
    folder: PhotoFolder, bucket: str, rule: PhotoRule, entry: FolderEntry, known: IndexedFile | None
) -> PassedOver | None:
    """Return why a file is passed over, None where it is a photograph.

    What cannot be opened counts as a photograph, so that it is told when it cannot be read.
    """
    info = entry.info
    verdict = rule.in_folder(info.key)
    if isinstance(verdict, PassedOver):
        return verdict
    if entry.is_repeated:
        return PassedOver(Reason.LINK)
    if verdict is Likely.PHOTOGRAPH:
        return None
    if known and known.stamp == info.stamp and (known.image_id or _is_of_bytes(known)):
        return PassedOver(Reason.NOT_A_PICTURE, _detail(known)) if not known.image_id else None
    try:
        return passed_over_by_bytes(folder.head(bucket, info.key, LOOKED_AT))
    except ObjectError:
        return None


def _is_of_bytes(known: IndexedFile) -> bool:
    return (known.unread_by or "").startswith(Reason.NOT_A_PICTURE)


def _detail(known: IndexedFile) -> str:
    return (known.unread_by or "").removeprefix(f"{Reason.NOT_A_PICTURE} (").removesuffix(")")
