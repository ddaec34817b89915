"""The way of a photograph on one machine: detect -> screen -> embed -> assign -> (regroup) -> results.

Everything that was finished is in `facestream.db` before the next batch begins, so a run that was killed goes on
where it was; identifiers are derived and steps are deterministic, so it ends with the same result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from more_itertools import chunked, ilen

from services.assigner.step import assign
from services.detector.settings import DetectorSettings
from services.embedder.embedding import Embedder
from services.embedder.step import crop, embed
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from services.reclusterer.step import recluster
from services.standalone.detection import Detection
from services.standalone.publishing import publisher
from services.standalone.scan import changed, outdated
from services.standalone.settings import StandaloneSettings
from shared.errors import Fatal
from shared.events import BucketEvent, FacesEmbedded
from shared.matching import AssignerSettings
from shared.people import People
from shared.ports import FaceRepository, ObjectStore
from shared.processes import Processes
from shared.records import Generation
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of all steps of a run."""

    buckets: BucketSettings
    standalone: StandaloneSettings
    detector: DetectorSettings
    quality: QualitySettings
    assigner: AssignerSettings
    reclusterer: ReclustererSettings


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def advance(self, photos: int, faces: int) -> None:
        """So many more photographs are done and stored, with so many accepted faces."""
        ...

    def stage(self, name: str) -> None:
        """A stage that has no countable parts begins."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a folder: the ports it works with, and its settings."""

    objects: ObjectStore
    repository: FaceRepository
    detection: Detection
    settings: RunSettings

    def forget_outdated(self) -> int:
        """Remove what is known of photographs that are gone or replaced; return their number."""
        bucket = self.settings.buckets.photos
        removed = 0
        for images in chunked(list(outdated(self.objects, self.repository, bucket)), 500):
            faces = self.repository.remove_images([image.image_id for image in images])
            self.objects.remove(self.settings.buckets.faces, [face.crop_key for face in faces])
            removed += len(images)
        return removed

    def pending(self) -> int:
        """Count the photographs that are new or replaced."""
        return ilen(self._changed())

    def add_pending(self, embedder: Embedder, processes: Processes, progress: Progress) -> None:
        """Process every photograph that is new or replaced."""
        generation = self.repository.active_generation()
        number = generation.number if generation else 0
        people = People(self.repository.clusters(number) if generation else [], self.settings.assigner.rule)
        size = self.settings.standalone.photos_per_batch
        # Enough may wait that no process idles while a batch is embedded, few enough to bound the memory.
        screened = self.detection.screened(self._changed(), processes, waiting=2 * size)
        for batch in chunked(screened, size):
            cropped = [crop(photo, self.objects, embedder.input_size, self.settings.buckets) for photo in batch]
            embedded = embed(cropped, embedder)
            faces = self._store(embedded, number, people)
            progress.advance(len(batch), faces)

    def _changed(self) -> Iterator[BucketEvent]:
        return changed(self.objects, self.repository, self.settings.buckets.photos)

    def _store(self, photos: Sequence[FacesEmbedded], generation: int, people: People) -> int:
        assigned = assign(photos, generation, people, self.settings.assigner)
        # Images last: a photograph counts as done when its image is there.
        self.repository.save_faces([face for item in assigned for face in item.faces])
        memberships = [membership for item in assigned for membership in item.memberships]
        self.repository.save_memberships(memberships)
        self.repository.save_images([item.image for item in assigned])
        return len(memberships)

    def regroup(self, model_id: str) -> Generation:
        """Cluster all faces of this model anew and make the result the active generation."""
        with publisher(self.repository, self.settings.assigner) as publishing:
            generation = recluster(publishing, self.settings.reclusterer, model_id).generation
        if generation is None:
            msg = "expected a generation after a regrouping, found none"
            raise Fatal(msg)
        return generation
