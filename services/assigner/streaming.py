"""The assigner as a service: what it keeps of each photograph, what it says, and what it erases.

The repository is written before the commit in Kafka, and all writes can be repeated. Erasing cannot: the tombstones
of faces are made from the faces that are kept. So an image is first only marked as removed; its crops and faces go
after the commit, or at the next start where the process died in between.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from more_itertools import chunked

from services.assigner.active import ActiveGroup, Group
from services.assigner.history import Judgement, Meaning, is_gone, judge, marker_id
from services.assigner.people import People
from services.assigner.settings import AssignerSettings
from services.assigner.step import Assigned, assign
from shared import metrics
from shared.events import FacesEmbedded, ImageProcessed, Outcome, Verdict
from shared.metrics import timed
from shared.ports import ConsumedRecord, FaceRepository, ObjectStore, ProducedRecord
from shared.records import FaceRecord, ImageRecord
from shared.settings import BucketSettings
from shared.streaming import About, decoded, encoded, moment, photo_record
from shared.topics import FACES_ASSIGNED, IMAGES_PROCESSED

_SERVICE = "assigner"
_NOBODY = People([])
_BLOCK = 500  # images looked at together when a start finds out what was left
_FacesOf = Mapping[str, Sequence[FaceRecord]]


@dataclass(frozen=True, slots=True)
class _News:
    """An event to be followed, the record that it came in, and the images that it replaces."""

    record: ConsumedRecord
    event: FacesEmbedded
    doomed: tuple[ImageRecord, ...]

    @property
    def is_removal(self) -> bool:
        return self.event.outcome is Outcome.REMOVED


class Assigner:
    """The step of the worker, and what it does beside its batches. Of one thread."""

    def __init__(
        self, repository: FaceRepository, objects: ObjectStore, settings: AssignerSettings, buckets: BucketSettings
    ) -> None:
        self._repository = repository
        self._objects = objects
        self._settings = settings
        self._crops = buckets.faces
        self._active = ActiveGroup(repository, settings)
        self._doomed: dict[str, tuple[ImageRecord, ...]] = {}  # by the place of the record that dooms them

    def step(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Keep and say what became of each photograph; raises `Transient`, `Poison`."""
        with timed("decode"):
            photos = [(record, decoded(record, FacesEmbedded)) for record in records]
        return [said for part in _rounds(photos) for said in self._round(part)]

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Erase what the records of a batch have doomed, now that all the world is told; raises `Transient`."""
        doomed = [image for record in records for image in self._doomed.get(record.place, ())]
        if doomed:
            with timed("erase"):
                self._erase(doomed)
        self._doomed.clear()  # that of aborted batches as well: whoever gets them again dooms anew

    def prepare(self, is_committed: Callable[[str], bool]) -> None:
        """Look at the active generation, and erase what a killed process has left; raises `Transient`.

        `is_committed` tells whether the world was told of an image's end: if not, the record that says so will come
        again, and needs the faces.
        """
        self._active.current()
        for images in chunked(self._repository.images(Outcome.REMOVED), _BLOCK):
            faces = self._repository.faces_of([image.image_id for image in images])
            self._erase([image for image in images if image.image_id in faces and is_committed(image.source)])

    def _round(self, photos: Sequence[tuple[ConsumedRecord, FacesEmbedded]]) -> Sequence[ProducedRecord]:
        """Process photographs of different objects."""
        with timed("read"):
            known = self._repository.images_of([event.photo.object_id for _, event in photos])
            judged = [(*item, judge(item[1], known.get(item[1].photo.object_id, ()), item[0].place)) for item in photos]
            news = [_News(record, event, found.doomed) for record, event, found in judged if _is_news(found)]
            doomed = [image for item in news for image in item.doomed]
            faces = self._repository.faces_of([image.image_id for image in doomed]) if doomed else {}
        renewed = [image for _, _, judgement in judged for image in judgement.renewed]
        if doomed or renewed:
            self._repository.save_images([*doomed, *renewed])
        self._doomed.update((item.record.place, item.doomed) for item in news if item.doomed)
        arrived = [item for item in news if not item.is_removal]
        self._repository.save_images([_marker(item) for item in news if item.is_removal])
        assigned = dict(zip((item.record.place for item in arrived), self._kept(arrived), strict=True))
        with timed("encode"):
            return [said for item in news for said in _said(item, assigned.get(item.record.place), faces)]

    def _kept(self, arrived: Sequence[_News]) -> Sequence[Assigned]:
        """Assign faces by the generation that is active when all is written."""
        while arrived:
            group = self._active.current()
            with timed("assign"):
                assigned = _assigned(arrived, group, self._settings)
            with timed("write"):
                # Images last: a photograph counts as done when its image is there.
                self._repository.save_faces([face for item in assigned for face in item.faces])
                self._repository.save_memberships([found for item in assigned for found in item.memberships])
                self._repository.save_images([item.image for item in assigned])
            if self._active.is_still(group):
                return assigned
        return []

    def _erase(self, images: Sequence[ImageRecord]) -> None:
        """Remove images that are still doomed, with faces, memberships and crops.

        An object may have become again what it was. Then marks of its earlier removals go too.
        """
        known = self._repository.images_of([image.object_id for image in images])
        doomed = {image.image_id for image in images}
        gone = [image for of_object in known.values() for image in of_object if is_gone(image)]
        there = {image.object_id for of_object in known.values() for image in of_object if not is_gone(image)}
        faces = self._repository.faces_of([image.image_id for image in gone])
        ids = [
            image.image_id
            for image in gone
            if image.image_id in doomed or (image.object_id in there and image.image_id not in faces)
        ]
        erased = [face for image_id in ids for face in faces.get(image_id, ())]
        self._objects.remove(self._crops, [face.crop_key for face in erased])
        self._repository.remove_images(ids)
        metrics.ERASED.inc(len(erased))


def _rounds(
    photos: Sequence[tuple[ConsumedRecord, FacesEmbedded]],
) -> Iterator[Sequence[tuple[ConsumedRecord, FacesEmbedded]]]:
    """Yield the photographs in an order that keeps that of each object, no object twice in one part."""
    seen: defaultdict[str, int] = defaultdict(int)
    parts: list[list[tuple[ConsumedRecord, FacesEmbedded]]] = []
    for item in photos:
        number = seen[item[1].photo.object_id]
        seen[item[1].photo.object_id] += 1
        if number == len(parts):
            parts.append([])
        parts[number].append(item)
    yield from parts


def _is_news(judgement: Judgement) -> bool:
    if judgement.meaning is Meaning.NEWS:
        return True
    metrics.DROPPED.labels(judgement.meaning).inc()
    return False


def _assigned(arrived: Sequence[_News], group: Group, settings: AssignerSettings) -> list[Assigned]:
    """Assign the faces of each photograph; embeddings of another model than the group's resemble nobody."""

    def comparable(item: _News) -> bool:
        models = {face.model_id for face in item.event.faces if face.verdict is Verdict.ACCEPTED}
        return group.model_id is None or models <= {group.model_id}

    found: dict[str, Assigned] = {}
    for people, part in (
        (group.people, [item for item in arrived if comparable(item)]),
        (_NOBODY, [item for item in arrived if not comparable(item)]),
    ):
        sources = [item.record.place for item in part]
        said = assign([item.event for item in part], group.generation, people, settings, sources)
        found.update(zip(sources, said, strict=True))
    return [found[item.record.place] for item in arrived]


def _marker(removal: _News) -> ImageRecord:
    """Return the record that an object is gone, for events that come late."""
    photo = removal.event.photo
    return ImageRecord(
        image_id=marker_id(photo),
        object_id=photo.object_id,
        bucket=photo.bucket,
        key=photo.key,
        etag="",
        size=0,
        uploaded_at=photo.uploaded_at,
        outcome=Outcome.REMOVED,
        sequencer=photo.sequencer,
        source=removal.record.place,
    )


def _said(news: _News, assigned: Assigned | None, faces: _FacesOf) -> list[ProducedRecord]:
    """Return what the world is told: of faces that are no more, of faces that are new, and of the photograph."""
    photo, when, trace = news.event.photo, moment(news.event), news.record.headers
    said = [
        encoded(
            FACES_ASSIGNED,
            face.face_id,
            None,
            About(_SERVICE, face.face_id, photo.uploaded_at, f"erased {when}"),
            trace,
        )
        for image in news.doomed
        for face in faces.get(image.image_id, ())
        if face.verdict is Verdict.ACCEPTED
    ]
    if assigned is None:
        held = {"image_id": news.doomed[-1].image_id, "etag": news.doomed[-1].etag} if news.doomed else {}
        gone = ImageProcessed(photo=photo.model_copy(update=held), outcome=Outcome.REMOVED)
        return [*said, photo_record(_SERVICE, IMAGES_PROCESSED, gone, news.record)]
    for event in assigned.events:
        about = About(_SERVICE, event.face_id, photo.uploaded_at, f"{event.cause} {when}", event.generation)
        said.append(encoded(FACES_ASSIGNED, event.face_id, event, about, trace))
        metrics.ASSIGNMENTS.labels("unknown" if event.cluster_id is None else "assigned").inc()
        if event.similarity is not None:
            metrics.SIMILARITY.observe(event.similarity)
    metrics.count_photos([news.event])
    metrics.observe_end_to_end(photo.uploaded_at)
    return [*said, photo_record(_SERVICE, IMAGES_PROCESSED, assigned.processed, news.record)]
