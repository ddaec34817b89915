"""The processor of the assigner: stores each photograph and its faces, assigns the faces, and erases what is removed.

The repository is written before the commit in Kafka, and all of these writes can be repeated. Erasing cannot, and is
done after the commit (`removal.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from services.assigner.active_generation import ActiveGeneration
from services.assigner.batch_assignment import BatchAssignment
from services.assigner.classification import Classification, Kind, classify
from services.assigner.crops import lacks_crops, unused_crops, with_missing_crops
from services.assigner.output_records import AcceptedEvent, count, output_records
from services.assigner.prefetch import Prefetcher
from services.assigner.removal import Removal
from services.assigner.removal_records import removal_record
from shared import metrics
from shared.domain.events import FacesEmbedded
from shared.domain.matching import AssignerSettings
from shared.domain.records import ImageRecord
from shared.metrics import timed
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.notification_records import detect_again
from shared.stream.processor import BaseProcessor

_Photo = tuple[ConsumedRecord, FacesEmbedded]
_ImagesOf = Mapping[str, Sequence[ImageRecord]]


class AssignerProcessor(BaseProcessor):
    """The processor of the assigner. Not for several threads."""

    prefetches: ClassVar[bool] = True

    def __init__(
        self,
        *,
        repository: FaceRepository,
        objects: ObjectStore,
        settings: AssignerSettings,
        crops: str,
        is_committed: Callable[[str], bool],
        on_start: Callable[[], None] | None = None,
    ) -> None:
        """`crops`: the bucket of the crops. `is_committed`: whether the group has committed the record with this id.

        `on_start` is called when the service starts, before anything else.
        """
        self._repository = repository
        self._objects = objects
        self._crops = crops
        self._is_committed = is_committed
        self._on_start = on_start
        self._active = ActiveGeneration(repository, settings)
        self._prefetcher = Prefetcher(self._active.last_read)
        self._assignment = BatchAssignment(repository, self._active, self._prefetcher, settings)
        self._removal = Removal(repository, objects, crops)
        self._stale: dict[str, tuple[ImageRecord, ...]] = {}  # images to erase after the commit, by record id

    def start(self) -> None:
        """Read the active generation, and erase what a killed process left; raises `Transient`."""
        if self._on_start:
            self._on_start()
        self._active.current()
        self._removal.erase_left_over(self._is_committed)

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Decode events and search for the people nearest to their faces, in a thread."""
        self._prefetcher.prefetch(records)

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Store the result for each photograph, and return its records; raises `Transient` and `Poison`."""
        with timed("decode"):
            photos = list(zip(records, self._prefetcher.events(records), strict=True))
        return [record for part in _one_of_each_object(photos) for record in self._processed(part)]

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Erase the stale images of a batch, now that its tombstones are committed; raises `Transient`."""
        stale = [image for record in records for image in self._stale.get(record.record_id, ())]
        if stale:
            with timed("erase"):
                self._removal.erase(stale)
        self._stale.clear()  # those of aborted batches as well: when the records come again, they are computed again

    def idle(self) -> None:
        """Read the active generation, so that its metrics are true and its people are ready; raises `Transient`."""
        self._active.current()

    def _processed(self, photos: Sequence[_Photo]) -> Sequence[ProducedRecord]:
        """Process photographs of different objects."""
        with timed("read"):
            known = self._repository.images_of([event.photo.object_id for _, event in photos])
            classified = self._classified(photos, known)
            accepted = [
                AcceptedEvent(record, event, found.stale) for record, event, found in classified if _is_new(found)
            ]
            accepted = self._removal.with_stale_faces(accepted, known)
            stale = [image for item in accepted for image in item.stale]
            faces = self._repository.faces_of([image.image_id for image in stale]) if stale else {}
        renewed = [image for _, _, classification in classified for image in classification.renewed]
        if stale or renewed:
            self._repository.save_images([*stale, *renewed])
        self._stale.update((item.record.record_id, item.stale) for item in accepted if item.stale)
        arrived = [item for item in accepted if not item.is_removal]
        self._repository.save_images(
            [
                removal_record(item.event.photo, item.stale, item.record.record_id)
                for item in accepted
                if item.is_removal
            ]
        )
        results = self._assignment.assign(arrived)
        repeated = [detect_again(item.event.photo) for item in arrived if self._lacks_crops(item, known)]
        with timed("encode"):
            count(arrived, results)
            assigned = dict(zip((item.record.record_id for item in arrived), results, strict=True))
            records = (output_records(item, assigned.get(item.record.record_id), faces) for item in accepted)
            return [*repeated, *(record for of_photo in records for record in of_photo)]

    def _classified(
        self, photos: Sequence[_Photo], known: _ImagesOf
    ) -> Sequence[tuple[ConsumedRecord, FacesEmbedded, Classification]]:
        """Classify events; remove the crops of dropped ones that no recorded face has."""
        classified = [
            (record, event, classify(event, known.get(event.photo.object_id, ()), record.record_id))
            for record, event in photos
        ]
        dropped = {event.photo.image_id for _, event, found in classified if found.kind is not Kind.NEW}
        if dropped:
            recorded = self._repository.faces_of(sorted(dropped))
            classified = [
                (record, event, with_missing_crops(event, found, known.get(event.photo.object_id, ()), faces))
                for record, event, found in classified
                for faces in [recorded.get(event.photo.image_id, ())]
            ]
            still = [event for _, event, found in classified if found.kind is not Kind.NEW]
            self._objects.remove(self._crops, unused_crops(still, recorded))
        return classified

    def _lacks_crops(self, item: AcceptedEvent, known: _ImagesOf) -> bool:
        return lacks_crops(item.event, known.get(item.event.photo.object_id, ()), self._objects, self._crops)


def _one_of_each_object(photos: Sequence[_Photo]) -> Iterator[Sequence[_Photo]]:
    """Split photographs into parts with no object twice; the photographs of one object stay in their order."""
    seen: defaultdict[str, int] = defaultdict(int)
    parts: list[list[_Photo]] = []
    for item in photos:
        number = seen[item[1].photo.object_id]
        seen[item[1].photo.object_id] += 1
        if number == len(parts):
            parts.append([])
        parts[number].append(item)
    yield from parts


def _is_new(classification: Classification) -> bool:
    if classification.kind is Kind.NEW:
        return True
    metrics.DROPPED.labels(classification.kind).inc()
    return False
