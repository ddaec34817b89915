"""Output events built from stored records: the same in the assigner, the reclusterer and a run over a folder."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from shared.domain.events import Cause, FaceAssigned, ImageProcessed, Photo, Verdict
from shared.domain.records import FaceRecord, ImageRecord, Membership


def face_assigned(face: FaceRecord, image: ImageRecord, membership: Membership, cause: Cause) -> FaceAssigned:
    """Return the event of a face's assignment. `image`: the face's image; `cause`: why the event is written."""
    return FaceAssigned(
        face_id=face.face_id,
        image_id=face.image_id,
        object_id=face.object_id,
        bucket=image.bucket,
        key=image.key,
        box=face.box,
        crop_key=face.crop_key,
        cluster_id=membership.cluster_id,
        similarity=membership.similarity,
        generation=membership.generation,
        cause=cause,
    )


def image_processed(
    image: ImageRecord, faces: Sequence[FaceRecord], memberships: Iterable[Membership], photo: Photo | None = None
) -> ImageProcessed:
    """Return the event of an image's outcome, with the counts of its faces.

    `memberships`: those of the accepted faces, for those that have one. `photo`: the image as it is in events, if the
    caller has it already.
    """
    accepted = sum(face.verdict is Verdict.ACCEPTED for face in faces)
    assigned = sum(membership.cluster_id is not None for membership in memberships)
    return ImageProcessed(
        photo=photo or photo_of(image),
        outcome=image.outcome,
        reason=image.reason,
        passing=image.passing,
        assigned=assigned,
        unknown=accepted - assigned,
        rejected=len(faces) - accepted,
    )


def photo_of(image: ImageRecord) -> Photo:
    """Return an image as it is in events."""
    return Photo(**{part.name: getattr(image, part.name) for part in fields(Photo)})
