"""Classifies an event of a photograph, given what is recorded of its object: new, duplicate or stale.

Notifications are repeated, the reconciler may race with them, and a process may die between its writes to the
repository and its commit in Kafka. Events look alike in these cases; the id of their record distinguishes them. If an
image was recorded because of the same record, the event is a replay of a record that was never committed. If it was
another record, the event is a duplicate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from services.assigner.removal_records import removal_id, to_erase
from shared.domain.events import FacesEmbedded, Outcome, Photo
from shared.domain.records import ImageRecord


class Kind(StrEnum):
    """What an event is for its object. Duplicate and stale events are dropped; the value is the label of the metric."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "outdated"


@dataclass(frozen=True, slots=True)
class Classification:
    """What an event means for the recorded images of its object: `stale` ones are erased, `renewed` ones only saved."""

    kind: Kind
    stale: tuple[ImageRecord, ...] = ()
    renewed: tuple[ImageRecord, ...] = ()


def classify(event: FacesEmbedded, known: Sequence[ImageRecord], source: str) -> Classification:
    """Classify an event. `known`: all recorded images of its object. `source`: the id of the event's record."""
    photo = event.photo
    if event.outcome is Outcome.REMOVED and photo.version_id:
        return _removal_of_version(photo, known, source)
    if not any(image.source == source for image in known):
        if any(is_older(photo, image) for image in known):
            return Classification(Kind.STALE)
        recorded = _recorded(event, known)
        if recorded:
            # The object had this content at a later time too: events from before that time are stale from now on.
            sequencer = photo.sequencer or recorded.sequencer
            renewed = replace(recorded, uploaded_at=photo.uploaded_at, sequencer=sequencer)
            return Classification(Kind.DUPLICATE, renewed=(renewed,))
    own = removal_id(photo) if event.outcome is Outcome.REMOVED else photo.image_id
    stale = tuple(
        to_erase(image, source)
        for image in known
        if image.image_id != own and (not image.is_removed or image.source == source)
    )
    return Classification(Kind.NEW, stale)


def _removal_of_version(photo: Photo, known: Sequence[ImageRecord], source: str) -> Classification:
    """Classify the permanent removal of one version: it matters only if it is the last content of the object."""
    stale = tuple(
        to_erase(image, source)
        for image in known
        if image.image_id == photo.image_id and (not image.is_removed or image.source == source)
    )
    return Classification(Kind.NEW if stale else Kind.STALE, stale)


def _recorded(event: FacesEmbedded, known: Sequence[ImageRecord]) -> ImageRecord | None:
    """Return the image that already records what an event reports, if there is one.

    If a photograph is recorded as unreadable, an event with another outcome or another reason is not recorded yet.
    """
    if event.outcome is Outcome.REMOVED:
        return known[-1] if known and all(image.is_removed for image in known) else None
    own = next((image for image in known if image.image_id == event.photo.image_id and not image.is_removed), None)
    if own is not None and own.outcome is Outcome.UNREADABLE:
        return own if (own.outcome, own.reason) == (event.outcome, event.reason) else None
    return own


def is_older(photo: Photo, image: ImageRecord) -> bool:
    """Return whether a photograph was uploaded before a recorded image of its object; False if that is not known."""
    if photo.sequencer and image.sequencer:
        return int(photo.sequencer, 16) < int(image.sequencer, 16)
    return photo.uploaded_at < image.uploaded_at
