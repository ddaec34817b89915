"""The library: the photographs that a result knows. Renaming, copying and forgetting them decodes nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from more_itertools import chunked

from services.standalone.library.changes import Comparison
from services.standalone.library.identity import Findings
from shared.domain.ids import crop_key, object_id
from shared.erasure.erase import erase_at_once
from shared.photos.photo_files import PhotoFolder
from shared.ports.file_index import FileIndex, IndexedFile
from shared.ports.objects import ObjectInfo
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings

_BLOCK = 500  # files written in one transaction
_CROPS = "crops/"


@dataclass(frozen=True, slots=True)
class Library:
    """The database of a result, its index of the files, and the folder store that has photographs and crops."""

    folder: PhotoFolder
    repository: FaceRepository
    index: FileIndex
    buckets: BucketSettings

    @contextmanager
    def transaction(self) -> Iterator[list[str]]:
        """Write everything within the context in one transaction; yield a list that collects keys of crops to remove.

        The crops are removed after the transaction. If the process dies in between, `remove_orphans` of the next run
        removes them.
        """
        crops: list[str] = []
        with self.index.transaction():
            yield crops
        self.folder.remove(self.buckets.faces, crops)

    def remove_orphans(self) -> int:
        """Remove the crops of no face, which a killed run can leave behind; return their number."""
        removed = 0
        for block in chunked(self.folder.list(self.buckets.faces, _CROPS), _BLOCK):
            names = {info.key.removeprefix(_CROPS).removesuffix(".png"): info.key for info in block}
            ours = {face_id: key for face_id, key in names.items() if crop_key(face_id) == key and _is_id(face_id)}
            orphans = [ours[face_id] for face_id in ours.keys() - self.repository.faces_named(list(ours)).keys()]
            self.folder.remove(self.buckets.faces, orphans)
            removed += len(orphans)
        return removed

    def apply(self, found: Findings) -> int:
        """Store in one transaction what was found about files that need not be decoded.

        A photograph whose file is gone and whose bytes are in another file gets the key of that file, and keeps its
        image id, its faces and their people. Returns the number of such photographs.
        """
        with self.transaction() as crops:
            renamed = 0
            for files in chunked(found.vacated, _BLOCK):
                renamed += self._rename(files, found.homes)
                self.index.remove([file.key for file in files])
            for block in chunked(found.elsewhere, _BLOCK):
                self.index.save(block)
            self.remove_unreferenced(found.overwritten, crops)
        return renamed

    def pass_over(self, comparison: Comparison) -> None:
        """Store the files that are no photographs, for the report, unless such a file still has a photograph."""
        for block in chunked(comparison.passed_over, _BLOCK):
            known = self.index.named([file.key for file in block])
            self.index.save([file for file in block if not (file.key in known and known[file.key].image_id)])
        self.index.remove(comparison.vanished)

    def add_copies(self, copies: Sequence[tuple[ObjectInfo, str]]) -> None:
        """Store files with the bytes of a pending photograph, now that this was decoded. Each comes with its etag."""
        for block in chunked(copies, _BLOCK):
            known = self.index.with_contents({etag for _, etag in block})
            files = [
                replace(file, key=info.key, stamp=info.stamp)
                for info, etag in block
                for file in known.get(etag, ())[:1]
                if file.size == info.size
            ]
            with self.transaction() as crops:
                before = {file.image_id for file in self.index.named([file.key for file in files]).values()}
                self.index.save(files)
                self.remove_unreferenced(before, crops)

    def forget(self, files: Sequence[IndexedFile]) -> int:
        """Forget files, and the photographs that no other file holds; return the number of these photographs.

        A photograph that another file holds gets the key of that file.
        """
        forgotten = 0
        for block in chunked(files, _BLOCK):
            with self.transaction() as crops:
                self.index.remove([file.key for file in block])
                others_of = self.index.of_images({file.image_id for file in block})
                self._rename(block, {image_id: others[0].key for image_id, others in others_of.items()})
                forgotten += self.remove_unreferenced({file.image_id for file in block}, crops)
        return forgotten

    def remove_unreferenced(self, image_ids: Collection[str], crops: list[str]) -> int:
        """Remove those of these photographs that no file holds, with their faces; return their number.

        To be called within `transaction`, with the list of `crops` that it yields.
        """
        unreferenced = sorted(set(image_ids) - self.index.of_images(image_ids).keys() - {""})
        crops += [face.crop_key for face in erase_at_once(self.repository, unreferenced)]
        return len(unreferenced)

    def _rename(self, files: Sequence[IndexedFile], homes: Mapping[str, str]) -> int:
        """Give photographs that have the keys of these files new keys, from `homes` by image id, if they are there.

        Image and face ids stay: they were derived from the first key. Returns the number of photographs.
        """
        bucket, of_files = self.buckets.photos, {(file.image_id, file.key) for file in files}
        known = self.repository.images_of([object_id(bucket, file.key) for file in files])
        images = [
            replace(image, key=home, object_id=object_id(bucket, home))
            for of_object in known.values()
            for image in of_object
            if (image.image_id, image.key) in of_files and (home := homes.get(image.image_id))
        ]
        now = {image.image_id: image.object_id for image in images}
        faces = [face for of_image in self.repository.faces_of(list(now)).values() for face in of_image]
        self.repository.save_images(images)
        self.repository.save_faces([replace(face, object_id=now[face.image_id]) for face in faces])
        return len(images)


def _is_id(name: str) -> bool:
    return len(name) == 32 and all(letter in "0123456789abcdef" for letter in name)  # noqa: PLR2004  see shared/domain/ids.py
