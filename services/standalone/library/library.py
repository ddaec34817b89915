"""The photographs of a folder as the result knows them: renamed, copied, forgotten, without decoding any."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from more_itertools import chunked

from services.standalone.library.changes import Comparison
from services.standalone.library.identity import Findings
from shared.domain.ids import crop_key, object_id
from shared.erasure.erase import erase_at_once
from shared.ports.file_index import FileIndex, IndexedFile
from shared.ports.objects import ObjectInfo, ObjectStore
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings

_BLOCK = 500  # files written in one transaction
_CROPS = "crops/"


@dataclass(frozen=True, slots=True)
class Library:
    """The repository of a result, the index of its files, and the store that has photographs and crops."""

    objects: ObjectStore
    repository: FaceRepository
    index: FileIndex
    buckets: BucketSettings

    @contextmanager
    def transaction(self) -> Iterator[list[str]]:
        """Write all that is written within the context or nothing of it; yields a list for the keys of crops to remove.

        The crops go when all is written. If the process dies in between, `remove_orphans` of the next run removes them.
        """
        crops: list[str] = []
        with self.index.transaction():
            yield crops
        self.objects.remove(self.buckets.faces, crops)

    def remove_orphans(self) -> int:
        """Remove the crops that no face has, which a run leaves that was killed; return their number."""
        removed = 0
        for block in chunked(self.objects.list(self.buckets.faces, _CROPS), _BLOCK):
            names = {info.key.removeprefix(_CROPS).removesuffix(".png"): info.key for info in block}
            ours = {face_id: key for face_id, key in names.items() if crop_key(face_id) == key and _is_id(face_id)}
            orphans = [ours[face_id] for face_id in ours.keys() - self.repository.faces_named(list(ours)).keys()]
            self.objects.remove(self.buckets.faces, orphans)
            removed += len(orphans)
        return removed

    def settle(self, found: Findings) -> int:
        """Write down what is known of files that need not be decoded, all of it or nothing.

        A photograph whose file is gone and whose bytes are elsewhere goes on under the new key, with its image id, its
        faces and their people. Returns the number of such photographs.
        """
        with self.transaction() as crops:
            renamed = 0
            for files in chunked(found.vacated, _BLOCK):
                renamed += self._rename(files, found.homes)
                self.index.remove([file.key for file in files])
            for block in chunked(found.elsewhere, _BLOCK):
                self.index.save(block)
            self.remove_unheld(found.overwritten, crops)
        return renamed

    def pass_over(self, comparison: Comparison) -> None:
        """Write down the files that are no photographs, for the report; one whose photograph is kept stays that."""
        for block in chunked(comparison.passed_over, _BLOCK):
            known = self.index.named([file.key for file in block])
            self.index.save([file for file in block if not (file.key in known and known[file.key].image_id)])
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
            with self.transaction() as crops:
                before = {file.image_id for file in self.index.named([file.key for file in files]).values()}
                self.index.save(files)
                self.remove_unheld(before, crops)

    def forget(self, files: Sequence[IndexedFile]) -> int:
        """Forget files, and the photographs that no other file holds; return how many of these there were.

        A photograph that another file holds goes on under the key of that.
        """
        forgotten = 0
        for block in chunked(files, _BLOCK):
            with self.transaction() as crops:
                self.index.remove([file.key for file in block])
                held = self.index.of_images({file.image_id for file in block})
                self._rename(block, {image_id: others[0].key for image_id, others in held.items()})
                forgotten += self.remove_unheld({file.image_id for file in block}, crops)
        return forgotten

    def remove_unheld(self, image_ids: Collection[str], crops: list[str]) -> int:
        """Remove those of these photographs that no file holds, with their faces; return their number.

        To be called within `transaction`, with what that yields.
        """
        unheld = sorted(set(image_ids) - self.index.of_images(image_ids).keys() - {""})
        crops += [face.crop_key for face in erase_at_once(self.repository, unheld)]
        return len(unheld)

    def _rename(self, files: Sequence[IndexedFile], homes: Mapping[str, str]) -> int:
        """Give photographs that are recorded under the keys of these files the keys of their homes, if they have any.

        Image and face ids stay: they derive from the first key. Returns the number of photographs.
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
