"""The crops of faces: the bucket has one for each recorded face, and no other.

A crop is named after the content of its photograph. So if the same bytes are uploaded again while their removal is on
its way, the new upload has the same crops: the detector stores them again, and then the removal reaches the assigner,
which erases them. No service sees both events at once, and no order of erasing and checking closes the gap. But only
the assigner erases, one batch after the other: when it processes the new upload, everything that could erase its crops
is done. If a crop is missing then, the assigner asks for the photograph to be detected again, and after that nothing
can erase the crops any more.
"""

from collections.abc import Mapping, Sequence

from services.assigner.classification import Classification, Kind
from shared.domain.events import FacesEmbedded, Outcome, Verdict
from shared.domain.records import FaceRecord, ImageRecord
from shared.errors import Fatal, ObjectRefused
from shared.ports.objects import ObjectStore

_FacesOf = Mapping[str, Sequence[FaceRecord]]


def lacks_crops(event: FacesEmbedded, known: Sequence[ImageRecord], objects: ObjectStore, bucket: str) -> bool:
    """Return whether crops of a photograph were erased. `known`: the recorded images of its object before this event.

    Without recorded images, nothing was ever erased. Raises `Transient`, and `Fatal` if the store refuses to answer.
    """
    return bool(known) and any(
        face.verdict is Verdict.CROP_MISSING or not _exists(objects, bucket, face.crop_key) for face in event.faces
    )


def _exists(objects: ObjectStore, bucket: str, key: str) -> bool:
    try:
        return objects.exists(bucket, key)
    except ObjectRefused as error:
        # The rights of this service are wrong, and the photograph is not. As dead letters, all photographs that are
        # uploaded again would be lost; if their crops counted as existing, they could lack crops for ever. A process
        # that ends here loses nothing.
        msg = (
            f"{error}: expected an answer whether this crop exists, and was refused; allow the assigner `s3:GetObject`"
            f" on the objects of `{bucket}` and `s3:ListBucket` on the bucket, without which what is missing is refused"
        )
        raise Fatal(msg) from error


def with_missing_crops(
    event: FacesEmbedded,
    classification: Classification,
    known: Sequence[ImageRecord],
    recorded: Sequence[FaceRecord],
) -> Classification:
    """Return the classification of an event, which is new if it has crops that a recorded image lacks.

    This also holds for a stale event: the same bytes may have been uploaded again while the detector read the object.
    `known`: the recorded images of its object; `recorded`: the recorded faces of its own image.
    """
    if classification.kind is Kind.NEW:
        return classification
    exists = any(image.image_id == event.photo.image_id and not image.is_removed for image in known)
    lacks = any(face.verdict is Verdict.CROP_MISSING for face in recorded)
    is_whole = event.outcome is Outcome.DETECTED and not any(
        face.verdict is Verdict.CROP_MISSING for face in event.faces
    )
    return Classification(Kind.NEW) if exists and lacks and is_whole else classification


def unused_crops(events: Sequence[FacesEmbedded], recorded: _FacesOf) -> list[str]:
    """Return the keys of crops that the detector has stored for dropped events, and that no recorded face has.

    `recorded`: the recorded faces of the events' images, by image id.
    """
    used = {face.face_id for faces in recorded.values() for face in faces}
    return [face.crop_key for event in events for face in event.faces if face.face_id not in used]
