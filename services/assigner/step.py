"""The assigner's step: embedded faces in, the person of each face out. Nothing is read or written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shared.domain.event_builders import face_assigned, image_processed
from shared.domain.events import Cause, EmbeddedFace, FaceAssigned, FacesEmbedded, ImageProcessed, Photo, Verdict
from shared.domain.matching import AssignerSettings, Match, matches, matches_beside
from shared.domain.person_index import Nearest, People
from shared.domain.records import FaceRecord, ImageRecord, Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The result for one photograph: records to store, and events to publish.

    `memberships` and `events` are those of the accepted faces, in the order of the faces.
    """

    image: ImageRecord
    faces: tuple[FaceRecord, ...]
    memberships: tuple[Membership, ...]
    events: tuple[FaceAssigned, ...]
    processed: ImageProcessed


def assign(
    photos: Sequence[FacesEmbedded],
    generation: int,
    people: People,
    settings: AssignerSettings,
    sources: Sequence[str] | None = None,
    *,
    nearest: Nearest | None = None,
    kept: Mapping[str, Membership] = MappingProxyType({}),
) -> list[Assigned]:
    """Assign a person to each accepted face of each photograph, or assign it as unknown.

    `people` are those of `generation`. `sources`: the id of the record of each photograph. The result for a photograph
    does not depend on the others. `nearest`: the people nearest to all accepted faces, if the search is done already.
    `kept`: memberships that faces keep, by face id. A person is on a photograph only once: of two faces that would keep
    the same person, the first one does, and no other face is assigned to that person. Raises ValueError if the vectors
    and the people have different dimensions.
    """
    accepted = [accepted_faces(photo) for photo in photos]
    found_of = matches([[_vector(face) for face in faces] for faces in accepted], people, settings, nearest)
    assigned = []
    for photo, faces, found, source in zip(photos, accepted, found_of, sources or [""] * len(photos), strict=True):
        own = _kept(faces, kept)
        fresh = dict(zip((face.face_id for face in faces), found, strict=True))
        if own:
            others = [face for face in faces if face.face_id not in own]
            taken = {membership.cluster_id for membership in own.values()}
            beside = matches_beside([_vector(face) for face in others], people, taken, settings)
            fresh = dict(zip((face.face_id for face in others), beside, strict=True))
        memberships = tuple(
            own.get(face.face_id) or _membership(face, fresh[face.face_id], generation, people) for face in faces
        )
        assigned.append(_assigned(photo, memberships, source))
    return assigned


def accepted_faces(photo: FacesEmbedded) -> list[EmbeddedFace]:
    """Return the accepted faces of a photograph, in their order."""
    return [face for face in photo.faces if face.verdict is Verdict.ACCEPTED]


def _kept(faces: Sequence[EmbeddedFace], kept: Mapping[str, Membership]) -> Mapping[str, Membership]:
    """Return the memberships that the faces of one photograph keep, no person twice."""
    found: dict[str, Membership] = {}
    taken: set[str | None] = set()
    for face in faces:
        membership = kept.get(face.face_id)
        if membership and (membership.cluster_id is None or membership.cluster_id not in taken):
            found[face.face_id] = membership
            taken.add(membership.cluster_id)
    return found


def _vector(face: EmbeddedFace) -> NDArray[np.float32]:
    if face.vector is None:
        msg = f"face {face.face_id}: expected a vector, because it was accepted; found none"
        raise ValueError(msg)
    return face.vector


def _membership(face: EmbeddedFace, match: Match, generation: int, people: People) -> Membership:
    return Membership(
        generation=generation,
        face_id=face.face_id,
        cluster_id=None if match.person is None else people.cluster_ids[match.person],
        similarity=match.similarity,
        cause=Cause.ARRIVED,
    )


def _assigned(photo: FacesEmbedded, memberships: tuple[Membership, ...], source: str) -> Assigned:
    image = _image_record(photo, source)
    faces = tuple(_face_record(face, photo.photo) for face in photo.faces)
    accepted = (face for face in faces if face.verdict is Verdict.ACCEPTED)
    return Assigned(
        image=image,
        faces=faces,
        memberships=memberships,
        # The cause is the arrival, also if the face had this membership from a reclustering before.
        events=tuple(
            face_assigned(face, image, membership, Cause.ARRIVED)
            for face, membership in zip(accepted, memberships, strict=True)
        ),
        processed=image_processed(image, faces, memberships, photo.photo),
    )


def _image_record(photo: FacesEmbedded, source: str) -> ImageRecord:
    of = photo.photo
    return ImageRecord(
        image_id=of.image_id,
        object_id=of.object_id,
        bucket=of.bucket,
        key=of.key,
        etag=of.etag,
        size=of.size,
        uploaded_at=of.uploaded_at,
        outcome=photo.outcome,
        reason=photo.reason,
        passing=photo.passing,
        version_id=of.version_id,
        sequencer=of.sequencer,
        width=of.width,
        height=of.height,
        source=source,
    )


def _face_record(face: EmbeddedFace, photo: Photo) -> FaceRecord:
    return FaceRecord(
        face_id=face.face_id,
        image_id=photo.image_id,
        object_id=photo.object_id,
        box=face.box,
        score=face.score,
        crop_key=face.crop_key,
        sharpness=face.sharpness,
        verdict=face.verdict,
        vector=face.vector,
        model_id=face.model_id,
    )
