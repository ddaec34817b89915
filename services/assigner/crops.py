"""The crops of faces: there for each face that is kept, and for no other.

A crop is named after what the photograph holds. So the same bytes, uploaded again while their removal is on its way,
have the same crops: the detector stores them anew, and then the removal arrives here and erases them. Nobody can see
both at once, and no order of deleting and looking again closes the gap. But erasures are done here, one batch after
the other: when the new upload arrives, all that could erase its crops is over. If a crop is missing then, the
photograph is detected once more, and after that nothing is on its way that could take it away again.
"""

from collections.abc import Mapping, Sequence

from services.assigner.history import Judgement, Meaning
from shared.events import FacesEmbedded, Outcome, Verdict
from shared.ports import ObjectStore
from shared.records import FaceRecord, ImageRecord

_FacesOf = Mapping[str, Sequence[FaceRecord]]


def lacks_crops(event: FacesEmbedded, known: Sequence[ImageRecord], objects: ObjectStore, bucket: str) -> bool:
    """Say whether an object that has a past, without which nothing was ever erased, lost crops to an erasure."""
    return bool(known) and any(
        face.verdict is Verdict.CROP_MISSING or not objects.exists(bucket, face.crop_key) for face in event.faces
    )


def completed(event: FacesEmbedded, judgement: Judgement, recorded: Sequence[FaceRecord]) -> Judgement:
    """Return the judgement of an event, which is news if it has crops that were missing when it first came."""
    lacking = any(face.verdict is Verdict.CROP_MISSING for face in recorded)
    whole = event.outcome is Outcome.DETECTED and not any(face.verdict is Verdict.CROP_MISSING for face in event.faces)
    return Judgement(Meaning.NEWS) if judgement.meaning is Meaning.DUPLICATE and lacking and whole else judgement


def unkept(events: Sequence[FacesEmbedded], recorded: _FacesOf) -> list[str]:
    """Return the keys of crops that the detector has stored for events that are dropped, and nobody else knows of."""
    kept = {face.face_id for faces in recorded.values() for face in faces}
    return [face.crop_key for event in events for face in event.faces if face.face_id not in kept]
