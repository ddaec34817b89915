"""Which files of a folder are no photographs. A file that was opened once is not opened again until it is touched."""

from dataclasses import dataclass

from shared.errors import ObjectMissing
from shared.photos.photo_files import PhotoFolder, passed_over
from shared.photos.photo_names import Likely, PassedOver, Reason
from shared.photos.photo_rule import PhotoRule
from shared.ports.file_index import IndexedFile
from shared.ports.objects import FolderEntry


@dataclass(frozen=True, slots=True)
class PhotoSelector:
    """Decides which files of a folder are photographs. `decoders` names the decoders of this run."""

    folder: PhotoFolder
    bucket: str
    rule: PhotoRule
    decoders: str

    def passed_over(self, entry: FolderEntry, known: IndexedFile | None) -> PassedOver | None:
        """Return why a file is passed over; None if it is a photograph. `known`: the entry of its key in the index.

        A file that cannot be opened counts as a photograph, so that it is reported as unreadable.
        """
        verdict = self.rule.in_folder(entry.info.key)
        untouched = known if known and known.stamp == entry.info.stamp else None
        if untouched and verdict is Likely.LOOK_INSIDE and not entry.is_repeated:
            if untouched.image_id:
                return None
            if untouched.etag == self.decoders and _is_of_bytes(untouched):
                return PassedOver(Reason.NOT_A_PICTURE, _detail(untouched))
        try:
            return passed_over(self.folder, self.bucket, entry, verdict)
        except ObjectMissing:
            return None


def _is_of_bytes(known: IndexedFile) -> bool:
    return (known.unread_by or "").startswith(Reason.NOT_A_PICTURE)


def _detail(known: IndexedFile) -> str:
    return (known.unread_by or "").removeprefix(f"{Reason.NOT_A_PICTURE} (").removesuffix(")")
