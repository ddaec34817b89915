"""The previous assignments of faces that arrive: those that they have, or had before their photograph was removed.

A face keeps its assignment in a generation, because detecting the same photograph again adds no knowledge. This also
holds if another model has embedded the face, with whose vectors nobody can be compared: the face keeps its person, and
by these faces the next generation, made with the new model, recognises the people.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from services.assigner.step import accepted_faces
from shared.domain.events import FacesEmbedded
from shared.domain.records import Membership


@dataclass(frozen=True, slots=True)
class PreviousAssignments:
    """Memberships in the active generation, by face id.

    `current`: of faces that have one. `former`: of faces that had one before their photograph was removed. `kept`:
    those of both that the faces keep.
    """

    kept: Mapping[str, Membership]
    current: Mapping[str, Membership]
    former: Mapping[str, Membership]

    def restored(self) -> Sequence[Membership]:
        """Return the former memberships in clusters that the faces get back."""
        kept = (membership for face_id, membership in self.former.items() if self.kept.get(face_id) == membership)
        return [membership for membership in kept if membership.cluster_id is not None]


NO_ASSIGNMENTS = PreviousAssignments({}, {}, {})


def previous_assignments(
    photos: Sequence[tuple[FacesEmbedded, bool]],
    current: Mapping[str, Membership],
    former: Mapping[str, Membership],
    cluster_ids: Container[str],
) -> PreviousAssignments:
    """Return what the faces of photographs keep.

    `photos`: events, each with whether its embeddings are of the same model as the people. `current` and `former`: as
    in `PreviousAssignments`. `cluster_ids`: of the people who exist. A person who was removed with the last of the
    faces exists no more, and is not kept, unless one of the person's own faces comes back.
    """
    kept: dict[str, Membership] = {}
    for photo, is_comparable in photos:
        faces = [face.face_id for face in accepted_faces(photo)]
        own = {
            face_id: current[face_id]
            for face_id in faces
            if face_id in current and (not is_comparable or _exists(current[face_id], cluster_ids))
        }
        taken = {membership.cluster_id for membership in own.values()} - {None}
        restored = {
            face_id: former[face_id]
            for face_id in faces
            if face_id in former and face_id not in own and former[face_id].cluster_id not in taken
        }
        kept |= own | restored
    return PreviousAssignments(kept, current, former)


def _exists(membership: Membership, cluster_ids: Container[str]) -> bool:
    return membership.cluster_id is None or membership.cluster_id in cluster_ids
