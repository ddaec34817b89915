"""What faces that arrive have already, or had before their photograph went; nothing is read or written.

What a face has in the generation stays: another look at the same photograph says nothing new of it. Also where another
model has embedded it anew, which resembles nobody: it keeps its person, by which the next generation, of that model,
knows its people.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from services.assigner.step import accepted_faces
from shared.domain.events import FacesEmbedded
from shared.domain.records import Membership


@dataclass(frozen=True, slots=True)
class Before:
    """The memberships that faces keep, by face id.

    `has`: those that faces have, and `had`: those of faces that were away.
    """

    kept: Mapping[str, Membership]
    has: Mapping[str, Membership]
    had: Mapping[str, Membership]

    def returned(self) -> Sequence[Membership]:
        """Return the memberships in clusters that faces which were away have got back."""
        back = (self.had[face_id] for face_id in self.had if self.kept.get(face_id) == self.had[face_id])
        return [membership for membership in back if membership.cluster_id is not None]


def before(
    photos: Sequence[tuple[FacesEmbedded, bool]],
    has: Mapping[str, Membership],
    had: Mapping[str, Membership],
    cluster_ids: Container[str],
) -> Before:
    """Return what the faces of photographs keep; of each photograph whether the people are of its model.

    `has`, `had`: the memberships that faces have, and those that they had. `cluster_ids`: of the people that are
    there. A person who went meanwhile with the last of the faces is nobody, unless it is one of these that comes back.
    """
    kept: dict[str, Membership] = {}
    for photo, is_comparable in photos:
        faces = [face.face_id for face in accepted_faces(photo)]
        standing = {
            face_id: has[face_id]
            for face_id in faces
            if face_id in has and (not is_comparable or _is_there(has[face_id], cluster_ids))
        }
        taken = {membership.cluster_id for membership in standing.values()} - {None}
        back = {
            face_id: had[face_id]
            for face_id in faces
            if face_id in had and face_id not in standing and had[face_id].cluster_id not in taken
        }
        kept |= standing | back
    return Before(kept, has, had)


def _is_there(membership: Membership, cluster_ids: Container[str]) -> bool:
    return membership.cluster_id is None or membership.cluster_id in cluster_ids
