"""What faces had before their photograph went, for the day on which it comes back.

A face id is derived from the content, the key and the place of the face, so the faces of a photograph that was removed
and put back are the faces that they were. Their people were given to them by a regrouping, which sees more than the
medoid that new faces are compared with.
"""

from collections.abc import Container, Mapping, Sequence

from shared.events import Cause
from shared.ports import FaceRepository
from shared.records import Membership


def memberships_before(
    repository: FaceRepository, generation: int, face_ids: Sequence[str], cluster_ids: Container[str]
) -> Mapping[str, Membership]:
    """Return the memberships in a generation that faces have to get back, by face id. Raises `Transient`.

    A face that was in this generation has the same membership again, also where its cluster went with its last face:
    `shared.refitting.refit` is to be called for their clusters once they are saved. One that was in another generation
    last has the person that it had there, if that is one of `cluster_ids`, the clusters of this one.
    """
    found = {}
    for face_id, former in repository.former_memberships(face_ids).items():
        own = next((membership for membership in former if membership.generation == generation), None)
        last = former[0]
        if own:
            found[face_id] = own
        elif last.cluster_id is not None and last.cluster_id in cluster_ids:
            found[face_id] = Membership(generation, face_id, last.cluster_id, last.similarity, Cause.ARRIVED)
    return found
