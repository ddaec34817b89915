"""The photographs of a folder as the result knows them: renamed, copied, forgotten, without decoding any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from more_itertools import chunked

from services.standalone.identity import Findings
from services.standalone.scan import Comparison
from shared.erasing import erase_at_once
from shared.file_index import FileIndex, IndexedFile
from shared.ids import object_id
from shared.ports import FaceRepository, ObjectInfo, ObjectStore
from shared.settings import BucketSettings

_BLOCK = 500  # files written in one transaction


@dataclass(frozen=True, slots=True)
class Library:
    """The repository of a result, the index of its files, and the store that has photographs and crops."""

    objects: ObjectStore
    repository: FaceRepository
    index: FileIndex
    buckets: BucketSettings

    def settle(self, found: Findings) -> None:
        """Write down what is known of files that need not be decoded, all of it or nothing.

        A photograph whose file is gone and whose bytes are elsewhere goes on under the new key, with its image id, its
        faces and their people.
        """
        with self.index.transaction():
            for files in chunked(found.renamed, _BLOCK):
                self._rename(files, found.homes)
                self.index.remove([file.key for file in files])
            for block in chunked([*found.same, *found.elsewhere], _BLOCK):
                self.index.save(block)
            self.remove_unheld(found.overwritten)

    def pass_over(self, comparison: Comparison) -> None:
        """Write down the files that are no photographs, for the report; those that are known as such stay."""
        for block in chunked(comparison.passed_over, _BLOCK):
            known = self.index.named([file.key for file in block])
            # The photograph of a file that is passed over now is no business of this: see `Comparison.disowned`.
            self.index.save([file for file in block if file.key not in known or _differs(file, known[file.key])])
        self.index.remove(comparison.vanished)

    def add_copies(self, copies: Sequence[tuple[ObjectInfo, str]]) -> None:
        """Write down files whose bytes are those of a photograph that has been decoded since."""
        for block in chunked(copies, _BLOCK):
            known = self.index.with_contents({etag for _, etag in block})
            files = [
                replace(file, key=info.key, stamp=info.stamp)
                for info, etag in block
                for file in known.get(etag, ())[:1]
                if file.size == info.size
            ]
            with self.index.transaction():
                before = {file.image_id for file in self.index.named([file.key for file in files]).values()}
                self.index.save(files)
                self.remove_unheld(before)

    def forget(self, files: Sequence[IndexedFile]) -> int:
        """Forget files, and the photographs that no other file holds; return how many of these there were."""
        forgotten = 0
        for block in chunked(files, _BLOCK):
            with self.index.transaction():
                self.index.remove([file.key for file in block])
                forgotten += self.remove_unheld({file.image_id for file in block})
        return forgotten

    def remove_unheld(self, image_ids: set[str]) -> int:
        """Remove those of these photographs that no file holds, with faces and crops; return their number.

        To be called within a transaction.
        """
        held = self.index.of_images(image_ids)
        unheld = sorted(image_ids - held.keys() - {""})
        faces = erase_at_once(self.repository, unheld)
        self.objects.remove(self.buckets.faces, [face.crop_key for face in faces])
        return len(unheld)

    def _rename(self, files: Sequence[IndexedFile], homes: Mapping[str, str]) -> None:
        """Give photographs the keys of their new homes. Image and face ids stay: they derive from the first key."""
        bucket, of_files = self.buckets.photos, {(file.image_id, file.key) for file in files}
        known = self.repository.images_of([object_id(bucket, file.key) for file in files])
        images = [
            replace(image, key=home, object_id=object_id(bucket, home))
            for of_object in known.values()
            for image in of_object
            if (image.image_id, image.key) in of_files and (home := homes[image.image_id])
        ]
        now = {image.image_id: image.object_id for image in images}
        faces = [face for of_image in self.repository.faces_of(list(now)).values() for face in of_image]
        self.repository.save_images(images)
        self.repository.save_faces([replace(face, object_id=now[face.image_id]) for face in faces])


def _differs(file: IndexedFile, known: IndexedFile) -> bool:
    return not known.image_id and file != known
