"""The steps of a photograph on one machine: detect -> screen -> embed -> assign -> store.

Each batch is stored in `facestream.db` before the next one begins, so a run that was killed continues after the last
batch. Identifiers are derived from contents and all steps are deterministic, so the result is the same as without the
interruption.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from more_itertools import chunked

from services.assigner.previous_assignments import (
    NO_ASSIGNMENTS,
    PreviousAssignments,
    previous_assignments,
)
from services.assigner.step import accepted_faces, assign
from services.detector.photo_pool import PhotoPool
from services.embedder.embedding import Embedder
from services.embedder.step import crop, embed
from services.standalone.detect_and_screen import DetectAndScreen, Screened
from services.standalone.library.library import Library
from services.standalone.settings import RunSettings
from shared.domain.events import BucketEvent, FacesEmbedded, Outcome
from shared.domain.person_index import People
from shared.domain.records import Generation
from shared.erasure.former_memberships import restored_memberships
from shared.erasure.refit import refit_returned
from shared.ports.file_index import IndexedFile
from shared.ports.objects import ObjectInfo


class Progress(Protocol):
    """Shows a person how far a run has come."""

    def advance(self, photos: int, faces: int) -> None:
        """Count photographs that were stored, and the accepted faces on them."""
        ...

    def stage(self, name: str) -> None:
        """Show that a stage begins that has no countable parts."""
        ...


@dataclass(frozen=True, slots=True)
class Added:
    """The photographs that were not stored, or not with faces.

    `refused`: why files could not be read this time, by key. `spoilt`: files that had a known photograph and now have
    bytes that cannot be decoded; what is known of that photograph was not changed.
    """

    refused: dict[str, str] = field(default_factory=dict)
    spoilt: list[Screened] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Intake:
    """Processes photographs and stores them in a library. `decoders` names the decoders and limits of this run."""

    library: Library
    detect_and_screen: DetectAndScreen
    settings: RunSettings
    decoders: str

    def add(self, pending: Sequence[ObjectInfo], embedder: Embedder, pool: PhotoPool, progress: Progress) -> Added:
        """Process and store photographs that are new, or whose content has changed."""
        generation = self.library.repository.active_generation()
        people = self._people(generation)
        size = self.settings.standalone.photos_per_batch
        stamps = {info.key: info.stamp for info in pending}
        added = Added()
        # Enough photographs wait that no process idles while a batch is embedded, few enough to bound the memory.
        screened = self.detect_and_screen.in_pool(map(self._event, pending), pool, waiting=2 * size)
        for batch in chunked(screened, size):
            kept = self._worth_storing(batch, added)
            objects, buckets = self.library.folder, self.settings.buckets
            cropped = [crop(item.photo, objects, embedder.input_size, buckets) for item in kept]
            faces, changed = self._store(kept, embed(cropped, embedder), stamps, generation, people)
            people = self._people(generation) if changed else people
            progress.advance(len(batch), faces)
        return added

    def store_spoilt(self, spoilt: Sequence[Screened], stamps: Mapping[str, str]) -> None:
        """Store files as unreadable that had known photographs; these photographs and their faces are removed."""
        photos = [
            FacesEmbedded(photo=item.photo.photo, outcome=item.photo.outcome, reason=item.photo.reason)
            for item in spoilt
        ]
        self._store(spoilt, photos, stamps, None, People([]))

    def _people(self, generation: Generation | None) -> People:
        clusters = self.library.repository.clusters(generation.number) if generation else []
        return People(clusters, self.settings.assigner.rule)

    def _event(self, info: ObjectInfo) -> BucketEvent:
        bucket = self.settings.buckets.photos
        return BucketEvent(bucket=bucket, key=info.key, size=info.size, etag=info.etag, occurred_at=info.modified)

    def _worth_storing(self, batch: Sequence[Screened], added: Added) -> list[Screened]:
        """Leave out unreadable photographs if an earlier content of their files is known, which may still be right.

        Photographs that were removed after the folder was listed are left out too; the next run finds them missing.
        """
        known = self.library.index.named([item.photo.photo.key for item in batch])
        kept = []
        for item in batch:
            key, is_unread = item.photo.photo.key, item.photo.outcome is Outcome.UNREADABLE
            if item.gone:
                continue
            if is_unread and item.passing:
                added.refused[key] = item.photo.reason or ""
            file = known.get(key)
            if not is_unread or file is None or file.unread_by is not None:
                kept.append(item)
            elif not item.passing:
                added.spoilt.append(item)
        return kept

    def _store(
        self,
        screened: Sequence[Screened],
        photos: Sequence[FacesEmbedded],
        stamps: Mapping[str, str],
        generation: Generation | None,
        people: People,
    ) -> tuple[int, bool]:
        """Store photographs with their faces and files in one transaction.

        Faces that were erased before and are back get the people that they had. Returns the number of accepted faces,
        and whether the medoids of people have changed.
        """
        repository, index = self.library.repository, self.library.index
        number = generation.number if generation else 0
        files = [
            self._file(item, stamps[item.photo.photo.key], photo.photo.etag)
            for item, photo in zip(screened, photos, strict=True)
        ]
        revision = self._revision(number)
        with self.library.transaction() as crops:
            known = self._before(photos, number, people)
            assigned = assign(photos, number, people, self.settings.assigner, kept=known.kept)
            replaced = {file.image_id for file in index.named([file.key for file in files]).values()}
            repository.save_faces([face for item in assigned for face in item.faces])
            memberships = [membership for item in assigned for membership in item.memberships]
            repository.save_memberships(memberships)
            if generation:
                refit_returned(repository, generation, known.restored())
            repository.save_images([item.image for item in assigned])
            index.save(files)
            self.library.remove_unreferenced(replaced, crops)
        return len(memberships), self._revision(number) != revision

    def _revision(self, number: int) -> int:
        generation = self.library.repository.generation(number)
        return generation.revision if generation else 0

    def _before(self, photos: Sequence[FacesEmbedded], generation: int, people: People) -> PreviousAssignments:
        """Look up the memberships of the faces, and those that they had before their photographs were removed."""
        faces = [face.face_id for photo in photos for face in accepted_faces(photo)]
        if not generation or not faces:
            return NO_ASSIGNMENTS
        repository = self.library.repository
        former = restored_memberships(repository, generation, faces, people)
        current = repository.memberships_of(generation, faces)
        return previous_assignments([(photo, True) for photo in photos], current, former, people)

    def _file(self, screened: Screened, stamp: str, etag: str) -> IndexedFile:
        photo = screened.photo.photo
        if screened.passing:
            unread_by: str | None = ""
        else:
            unread_by = self.decoders if screened.photo.outcome is Outcome.UNREADABLE else None
        return IndexedFile(photo.key, stamp, photo.size, etag, photo.image_id, unread_by)
