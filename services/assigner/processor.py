"""The assigner as a service: what it keeps of each photograph, what it says, and what it erases.

The repository is written before the commit in Kafka, and all writes can be repeated. Erasing cannot: the tombstones
of faces are made from the faces that are kept. So an image is first only marked as removed; its crops and faces go
after the commit, or at the next start where the process died in between.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import structlog
from more_itertools import chunked, partition

from services.assigner.active_generation import ActiveGroup, Group
from services.assigner.classification import Judgement, Meaning, ghost_of, is_gone, judge, marker
from services.assigner.crops import completed, lacks_crops, unkept
from services.assigner.output_records import News, count, told
from services.assigner.prefetch import Prefetcher
from services.assigner.previous_assignments import Before, before
from services.assigner.step import Assigned, accepted_faces, assign
from shared import metrics
from shared.domain.events import FacesEmbedded, Outcome
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.domain.records import ImageRecord, Membership
from shared.erasure.erase import erase
from shared.erasure.former_memberships import restored_memberships
from shared.erasure.refit import refit_returned
from shared.errors import Fatal, Transient
from shared.metrics import timed
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream import notification_records as notices
from shared.stream.processor import BaseProcessor

_NOBODY = People([])
_BLOCK = 500  # images looked at together when a start finds out what was left
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

        `on_start` is called before anything else when the service starts.
        """
        self._repository = repository
        self._objects = objects
        self._settings = settings
        self._crops = crops
        self._is_committed = is_committed
        self._on_start = on_start
        self._active = ActiveGroup(repository, settings)
        self._prefetcher = Prefetcher(self._active.known)
        self._doomed: dict[str, tuple[ImageRecord, ...]] = {}  # by the place of the record that dooms them

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Decode events and search for the people nearest to their faces, in a thread."""
        self._prefetcher.prefetch(records)

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Keep and say what became of each photograph; raises `Transient`, `Poison`."""
        with timed("decode"):
            photos = list(zip(records, self._prefetcher.events(records), strict=True))
        return [said for part in _rounds(photos) for said in self._round(part)]

    def committed(self, records: Sequence[ConsumedRecord]) -> None:
        """Erase what the records of a batch have doomed, now that all the world is told; raises `Transient`."""
        doomed = [image for record in records for image in self._doomed.get(record.record_id, ())]
        if doomed:
            with timed("erase"):
                self._erase_all(doomed)
        self._doomed.clear()  # that of aborted batches as well: whoever gets them again dooms anew

    def idle(self) -> None:
        """Look at the active generation: what is told of it is true, and its people are there for the next photograph.

        Raises `Transient`.
        """
        self._active.current()

    def start(self) -> None:
        """Look at the active generation, and erase what a killed process has left; raises `Transient`.

        `is_committed` tells whether the world was told of an image's end: if not, the record that says so will come
        again, and needs the faces.
        """
        if self._on_start:
            self._on_start()
        self._active.current()
        for images in chunked(self._repository.images(Outcome.REMOVED), _BLOCK):
            faces = self._repository.faces_of([image.image_id for image in images])
            self._erase_all([image for image in images if image.image_id in faces and self._is_committed(image.source)])

    def _round(self, photos: Sequence[tuple[ConsumedRecord, FacesEmbedded]]) -> Sequence[ProducedRecord]:
        """Process photographs of different objects."""
        with timed("read"):
            known = self._repository.images_of([event.photo.object_id for _, event in photos])
            judged = self._judged(photos, known)
            news = [News(record, event, found.doomed) for record, event, found in judged if _is_news(found)]
            news = self._with_stale_faces(news, known)
            doomed = [image for item in news for image in item.doomed]
            faces = self._repository.faces_of([image.image_id for image in doomed]) if doomed else {}
        renewed = [image for _, _, judgement in judged for image in judgement.renewed]
        if doomed or renewed:
            self._repository.save_images([*doomed, *renewed])
        self._doomed.update((item.record.record_id, item.doomed) for item in news if item.doomed)
        arrived = [item for item in news if not item.is_removal]
        self._repository.save_images(
            [marker(item.event.photo, item.doomed, item.record.record_id) for item in news if item.is_removal]
        )
        kept = self._kept(arrived)
        anew = [notices.again(item.event.photo) for item in arrived if self._lacks_crops(item, known)]
        with timed("encode"):
            count(arrived, kept)
            assigned = dict(zip((item.record.record_id for item in arrived), kept, strict=True))
            return [*anew, *(said for item in news for said in told(item, assigned.get(item.record.record_id), faces))]

    def _judged(
        self, photos: Sequence[tuple[ConsumedRecord, FacesEmbedded]], known: _ImagesOf
    ) -> Sequence[tuple[ConsumedRecord, FacesEmbedded, Judgement]]:
        """Judge events; of those that are dropped no crop stays that is not that of a face which is kept."""
        judged = [(*item, judge(item[1], known.get(item[1].photo.object_id, ()), item[0].record_id)) for item in photos]
        dropped = {event.photo.image_id for _, event, found in judged if found.meaning is not Meaning.NEWS}
        if dropped:
            kept = self._repository.faces_of(sorted(dropped))
            judged = [
                (record, event, completed(event, found, known.get(event.photo.object_id, ()), faces))
                for record, event, found in judged
                for faces in [kept.get(event.photo.image_id, ())]
            ]
            still = [event for _, event, found in judged if found.meaning is not Meaning.NEWS]
            self._objects.remove(self._crops, unkept(still, kept))
        return judged

    def _with_stale_faces(self, news: Sequence[News], known: _ImagesOf) -> list[News]:
        """Doom faces that an image has no longer, under an image of their own.

        The detector reads what an object holds at that moment, which may be the content of an upload after the one
        that it was told of. When the content of that comes back, it finds the faces of the other one.
        """
        own = {
            item.record.record_id: image
            for item in news
            for image in known.get(item.event.photo.object_id, ())
            if image.image_id == item.event.photo.image_id and not item.is_removal
        }
        recorded = self._repository.faces_of([image.image_id for image in own.values()]) if own else {}
        found = []
        for item in news:
            present = {face.face_id for face in item.event.faces}
            image = own.get(item.record.record_id)
            stale = [face for face in recorded.get(image.image_id, ()) if face.face_id not in present] if image else []
            if image and stale:
                ghost = ghost_of(image, item.record.record_id)
                self._repository.save_images([ghost])
                self._repository.save_faces([replace(face, image_id=ghost.image_id) for face in stale])
                others = (other for other in item.doomed if other.image_id != ghost.image_id)
                found.append(replace(item, doomed=(*others, ghost)))
            else:
                found.append(item)
        return found

    def _lacks_crops(self, item: News, known: _ImagesOf) -> bool:
        return lacks_crops(item.event, known.get(item.event.photo.object_id, ()), self._objects, self._crops)

    def _kept(self, arrived: Sequence[News]) -> Sequence[Assigned]:
        """Assign faces by the generation that is active when all is written.

        Is done again where that is another one by then, or where a person went meanwhile with the last of the faces.
        """
        fresh: set[Membership] = set()  # what this call has said, which is not what faces had before
        while arrived:
            group = self._active.current()
            known = self._before(arrived, group, fresh)
            with timed("assign"):
                assigned = self._assigned(arrived, group, known)
            with timed("write"):
                # Images last: a photograph counts as done when its image is there.
                self._repository.save_faces([face for item in assigned for face in item.faces])
                self._repository.save_memberships([found for item in assigned for found in item.memberships])
                if returned := known.returned():
                    self._refit(group, returned)
                self._repository.save_images([item.image for item in assigned])
            new = {found for item in assigned for found in item.memberships if found != known.has.get(found.face_id)}
            if self._active.is_still(group, _people_of(new, arrived, group)):
                return assigned
            fresh |= new
        return []

    def _before(self, arrived: Sequence[News], group: Group, fresh: Container[Membership]) -> Before:
        """Look up what faces have, or had before their photograph went."""
        faces = [face.face_id for item in arrived for face in accepted_faces(item.event)]
        if not group.generation or not faces:
            return Before({}, {}, {})
        with timed("read"):
            had = restored_memberships(self._repository, group.generation, faces, group.people)
            found = self._repository.memberships_of(group.generation, faces)
        has = {face_id: membership for face_id, membership in found.items() if membership not in fresh}
        return before([(item.event, _is_comparable(item.event, group)) for item in arrived], has, had, group.people)

    def _assigned(self, arrived: Sequence[News], group: Group, known: Before) -> list[Assigned]:
        """Assign the faces of each photograph. Embeddings of another model than the group's resemble nobody."""
        others, ours = map(list, partition(lambda item: _is_comparable(item.event, group), arrived))
        found: dict[str, Assigned] = {}
        for people, part in ((group.people, ours), (_NOBODY, others)):
            sources, events = [item.record.record_id for item in part], [item.event for item in part]
            nearest = self._prefetcher.nearest(sources, group)
            said = assign(events, group.generation, people, self._settings, sources, nearest=nearest, kept=known.kept)
            found.update(zip(sources, said, strict=True))
        return [found[item.record.record_id] for item in arrived]

    def _refit(self, group: Group, returned: Iterable[Membership]) -> None:
        """Have the clusters that faces came back to count them again."""
        generation = self._repository.generation(group.generation)
        if generation:
            refit_returned(self._repository, generation, returned)

    def _erase_all(self, images: Sequence[ImageRecord]) -> None:
        """Erase images; one that cannot be erased costs the others nothing, and is left for the next start.

        It stays marked as removed. Nothing else could be done of it here: its record is committed.
        """
        try:
            self._erase(images)
        except (Transient, Fatal):
            raise
        except Exception as error:  # noqa: BLE001  a defect, or what the repository cannot hold
            if len(images) > 1:
                for image in images:
                    self._erase_all([image])
                return
            name = [image.image_id for image in images]
            structlog.get_logger().error("cannot be erased", images=name, error=type(error).__name__)

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
        erase(self._repository, [image for image in gone if image.image_id in set(ids)])
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


def _is_comparable(event: FacesEmbedded, group: Group) -> bool:
    models = {face.model_id for face in accepted_faces(event)}
    return group.model_id is None or models <= {group.model_id}


def _people_of(memberships: Iterable[Membership], arrived: Sequence[News], group: Group) -> set[str]:
    """Return the clusters of memberships; not those of faces that another model embedded, which are no people of it."""
    ours = {
        face.face_id for item in arrived if _is_comparable(item.event, group) for face in accepted_faces(item.event)
    }
    return {item.cluster_id for item in memberships if item.cluster_id is not None and item.face_id in ours}
