"""The crops of faces: there for each face that is kept, and for no other.

A crop is named after what the photograph holds. So the same bytes, uploaded again while their removal is on its way,
have the same crops: the detector stores them anew, and then the removal arrives here and erases them. Nobody can see
both at once, and no order of deleting and looking again closes the gap. But erasures are done here, one batch after
the other: when the new upload arrives, all that could erase its crops is over. If a crop is missing then, the
photograph is detected once more, and after that nothing is on its way that could take it away again.
"""

from collections.abc import Mapping, Sequence

from services.assigner.classification import Judgement, Meaning, is_gone
from shared.domain.events import FacesEmbedded, Outcome, Verdict
from shared.domain.records import FaceRecord, ImageRecord
from shared.errors import Fatal, ObjectRefused
from shared.ports.objects import ObjectStore

_FacesOf = Mapping[str, Sequence[FaceRecord]]


def lacks_crops(event: FacesEmbedded, known: Sequence[ImageRecord], objects: ObjectStore, bucket: str) -> bool:
    """Say whether an object that has a past, without which nothing was ever erased, lost crops to an erasure.

    Raises `Transient`, and `Fatal` where the service may not look.
    """
    return bool(known) and any(
        face.verdict is Verdict.CROP_MISSING or not _is_there(objects, bucket, face.crop_key) for face in event.faces
    )


def _is_there(objects: ObjectStore, bucket: str, key: str) -> bool:
    try:
        return objects.exists(bucket, key)
    except ObjectRefused as error:
        # The rights of this service are wrong, not the photograph, and they are so for all that come back: as dead
        # letters they would be lost to the world, and taken for there they would lack their crops for good. Whoever
        # stops here has lost nothing.
        msg = f"{error}: expected to be told whether this crop is there, was refused; allow the assigner `s3:GetObject`"
        msg += (
            f" on the objects of `{bucket}` and `s3:ListBucket` on the bucket, without which what is missing is refused"
        )
        raise Fatal(msg) from error


def completed(
    event: FacesEmbedded, judgement: Judgement, known: Sequence[ImageRecord], recorded: Sequence[FaceRecord]
) -> Judgement:
    """Return the judgement of an event, which is news if it has crops that are missing of an image that is there.

    Also an event that is older than what is recorded: the same bytes may have been uploaded again while the detector
    was asked for them. `known`: the images of its object; `recorded`: the faces of its own image.
    """
    is_there = any(image.image_id == event.photo.image_id and not is_gone(image) for image in known)
    lacking = any(face.verdict is Verdict.CROP_MISSING for face in recorded)
    whole = event.outcome is Outcome.DETECTED and not any(face.verdict is Verdict.CROP_MISSING for face in event.faces)
    is_dropped = judgement.meaning is not Meaning.NEWS
    return Judgement(Meaning.NEWS) if is_dropped and is_there and lacking and whole else judgement


def unkept(events: Sequence[FacesEmbedded], recorded: _FacesOf) -> list[str]:
    """Return the keys of crops that the detector has stored for events that are dropped, and nobody else knows of."""
    kept = {face.face_id for faces in recorded.values() for face in faces}
    return [face.crop_key for event in events for face in event.faces if face.face_id not in kept]
