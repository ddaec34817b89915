"""The way of a photograph on one machine: detect -> screen -> embed -> assign -> store.

Everything that was finished is in `facestream.db` before the next batch begins, so a run that was killed goes on
where it was; identifiers are derived and steps are deterministic, so it ends with the same result.
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
from services.embedder.embedding import Embedder
from services.embedder.step import crop, embed
from services.standalone.detection import Detection, Screened
from services.standalone.library import Library
from services.standalone.settings import RunSettings
from shared.domain.events import BucketEvent, FacesEmbedded, Outcome
from shared.domain.person_index import People
from shared.domain.records import Generation
from shared.erasure.former_memberships import memberships_before
from shared.erasure.refit import refit_returned
from shared.ports.file_index import IndexedFile
from shared.ports.objects import ObjectInfo
from shared.process_pool import Processes


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def advance(self, photos: int, faces: int) -> None:
        """So many more photographs are done and stored, with so many accepted faces."""
        ...

    def stage(self, name: str) -> None:
        """A stage that has no countable parts begins."""
        ...


@dataclass(frozen=True, slots=True)
class Added:
    """What became of photographs beside those that are stored.

    `refused`: why files could not be read just now, by key. `spoilt`: files of known photographs whose bytes are others
    now, and no photograph. What is known of both stays as it is.
    """

    refused: dict[str, str] = field(default_factory=dict)
    spoilt: list[Screened] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What takes photographs in. `decoders` names the decoders and limits of this run."""

    library: Library
    detection: Detection
    settings: RunSettings
    decoders: str

    def add(self, pending: Sequence[ObjectInfo], embedder: Embedder, processes: Processes, progress: Progress) -> Added:
        """Process photographs that are new or other ones than before, and store them."""
        generation = self.library.repository.active_generation()
        people = self._people(generation)
        size = self.settings.standalone.photos_per_batch
        stamps = {info.key: info.stamp for info in pending}
        added = Added()
        # Enough may wait that no process idles while a batch is embedded, few enough to bound the memory.
        screened = self.detection.screened(map(self._event, pending), processes, waiting=2 * size)
        for batch in chunked(screened, size):
            kept = self._worth_storing(batch, added)
            objects, buckets = self.library.objects, self.settings.buckets
            cropped = [crop(item.photo, objects, embedder.input_size, buckets) for item in kept]
            faces, changed = self._store(kept, embed(cropped, embedder), stamps, generation, people)
            people = self._people(generation) if changed else people
            progress.advance(len(batch), faces)
        return added

    def store_spoilt(self, spoilt: Sequence[Screened], stamps: Mapping[str, str]) -> None:
        """Store that known files hold no photograph any more; what they held goes."""
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
        """Leave out photographs that cannot be read and of which something is known, which may still hold.

        Those that were removed since they were listed are left out as well: the next run misses them.
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
        """Store photographs with their faces and files, all or none.

        Faces that were away get back the people that they had. Returns the number of accepted faces, and whether
        people are others now.
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
            self.library.remove_unheld(replaced, crops)
        return len(memberships), self._revision(number) != revision

    def _revision(self, number: int) -> int:
        generation = self.library.repository.generation(number)
        return generation.revision if generation else 0

    def _before(self, photos: Sequence[FacesEmbedded], generation: int, people: People) -> PreviousAssignments:
        """Look up what faces have, or had before their photographs went."""
        faces = [face.face_id for photo in photos for face in accepted_faces(photo)]
        if not generation or not faces:
            return NO_ASSIGNMENTS
        repository = self.library.repository
        former = memberships_before(repository, generation, faces, people)
        current = repository.memberships_of(generation, faces)
        return previous_assignments([(photo, True) for photo in photos], current, former, people)

    def _file(self, screened: Screened, stamp: str, etag: str) -> IndexedFile:
        photo = screened.photo.photo
        if screened.passing:
            unread_by: str | None = ""
        else:
            unread_by = self.decoders if screened.photo.outcome is Outcome.UNREADABLE else None
        return IndexedFile(photo.key, stamp, photo.size, etag, photo.image_id, unread_by)
