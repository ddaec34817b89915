"""What an event of a photograph means, given what is known of its object: news, a duplicate, or outdated.

Notifications repeat, the reconciler may race them, and a process may die between its writes to the repository and
its commit in Kafka. Both look alike but for the place of the message (`topic/partition@offset`): the place that made
a record, again, is a replay of what was never committed; another one is a duplicate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.events import FacesEmbedded, Outcome, Photo
from shared.domain.ids import image_id
from shared.domain.records import ImageRecord
from shared.stream.notification_records import following


class Meaning(StrEnum):
    """What to do with an event: follow it, or drop it and count that."""

    NEWS = "news"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an event means. `doomed` images of its object are to be erased, `renewed` ones only saved as they are."""

    meaning: Meaning
    doomed: tuple[ImageRecord, ...] = ()
    renewed: tuple[ImageRecord, ...] = ()


def judge(event: FacesEmbedded, known: Sequence[ImageRecord], source: str) -> Judgement:
    """Return what an event means, that came from `source`, when `known` is all that is recorded of its object."""
    photo = event.photo
    if event.outcome is Outcome.REMOVED and photo.version_id:
        return _of_version(photo, known, source)
    if not any(image.source == source for image in known):
        if any(is_older(photo, image) for image in known):
            return Judgement(Meaning.OUTDATED)
        recorded = _recorded(event, known)
        if recorded:
            # The object was seen like this at a later time: what happened before that is outdated from now on.
            sequencer = photo.sequencer or recorded.sequencer
            renewed = replace(recorded, uploaded_at=photo.uploaded_at, sequencer=sequencer)
            return Judgement(Meaning.DUPLICATE, renewed=(renewed,))
    own = marker_id(photo) if event.outcome is Outcome.REMOVED else photo.image_id
    doomed = tuple(
        replace(image, outcome=Outcome.REMOVED, reason=None, source=source)
        for image in known
        if image.image_id != own and (not is_gone(image) or image.source == source)
    )
    return Judgement(Meaning.NEWS, doomed)


def _of_version(photo: Photo, known: Sequence[ImageRecord], source: str) -> Judgement:
    """Judge that one version was deleted for good: nothing happens, unless it is what the object held last."""
    doomed = tuple(
        replace(image, outcome=Outcome.REMOVED, reason=None, source=source)
        for image in known
        if image.image_id == photo.image_id and (not is_gone(image) or image.source == source)
    )
    return Judgement(Meaning.NEWS if doomed else Meaning.OUTDATED, doomed)


def _recorded(event: FacesEmbedded, known: Sequence[ImageRecord]) -> ImageRecord | None:
    """Return the record that already says what an event says, if there is one.

    That a photograph could not be read says nothing against an event by which it can, or cannot for another reason.
    """
    if event.outcome is Outcome.REMOVED:
        return known[-1] if known and all(is_gone(image) for image in known) else None
    own = next((image for image in known if image.image_id == event.photo.image_id and not is_gone(image)), None)
    is_other = own is not None and own.outcome is Outcome.UNREADABLE and (own.outcome, own.reason) != _said(event)
    return None if is_other else own


def _said(event: FacesEmbedded) -> tuple[Outcome, str | None]:
    return event.outcome, event.reason


def is_gone(image: ImageRecord) -> bool:
    """Say whether an image is no more: it is about to be erased, or it marks that its object is gone."""
    return image.outcome is Outcome.REMOVED


def marker_id(photo: Photo) -> str:
    """Return the image id of the record which says that an object is gone, whatever it held."""
    return image_id(photo.object_id, None, f"removed at {photo.sequencer or photo.uploaded_at.isoformat()}")


def marker(photo: Photo, doomed: Sequence[ImageRecord], source: str) -> ImageRecord:
    """Return the record that an object is gone, for events that come late; `doomed`: its images that go.

    One version that was deleted says nothing of those after it: then the record is the next thing after this version.
    """
    if photo.version_id:
        last = doomed[-1]
        photo = replace(photo, sequencer=last.sequencer and following(last.sequencer), uploaded_at=last.uploaded_at)
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
        source=source,
    )


def ghost_of(image: ImageRecord, source: str) -> ImageRecord:
    """Return an image for the faces that `image` has no longer since the message at `source`; it is to be erased."""
    name = image_id(image.object_id, None, f"other faces before {source}")
    return replace(image, image_id=name, outcome=Outcome.REMOVED, reason=None, source=source)


def is_older(photo: Photo, image: ImageRecord) -> bool:
    """Say whether a photograph is what its object held before a recorded image. Unknown counts as no."""
    if photo.sequencer and image.sequencer:
        return int(photo.sequencer, 16) < int(image.sequencer, 16)
    return photo.uploaded_at < image.uploaded_at
