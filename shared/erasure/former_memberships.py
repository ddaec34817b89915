"""What faces had before their photograph went, for the day on which it comes back.

A face id is derived from the content, the key and the place of the face, so the faces of a photograph that was removed
and put back are the faces that they were. Their people were given to them by a regrouping, which sees more than the
medoid that new faces are compared with.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime

from shared.domain.events import Cause
from shared.domain.records import Membership
from shared.ports.repository import FaceRepository

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def memberships_before(
    repository: FaceRepository, generation: int, face_ids: Sequence[str], cluster_ids: Container[str]
) -> Mapping[str, Membership]:
    """Return the memberships in a generation that faces have to get back, by face id. Raises `Transient`.

    A face that was in this generation has the same membership again, also where its cluster went with its last face:
    `shared.erasure.refit.refit_returned` is to be called for them once they are saved. One that was in another
    generation last has the person that it had there, if that is one of `cluster_ids`, the clusters of this one.
    """
    found = {}
    former_of = repository.former_memberships(face_ids)
    last_told = last_told_by(repository) if former_of else None
    for face_id, former in former_of.items():
        own = next((membership for membership in former if membership.generation == generation), None)
        last = last_told(former) if last_told else former[0]
        if own:
            found[face_id] = own
        elif last.cluster_id is not None and last.cluster_id in cluster_ids:
            found[face_id] = Membership(generation, face_id, last.cluster_id, last.similarity, Cause.ARRIVED)
    return found


def last_told_by(repository: FaceRepository) -> Callable[[Sequence[Membership]], Membership]:
    """Return what chooses, of the former memberships of a face, the one that the world has heard of last.

    That is the one of the generation that was published last. One that was held back has told nobody of its people:
    it counts only where there is no other. Raises `Transient`.
    """
    when = {
        generation.number: generation.published_at or _LONG_AGO
        for generation in repository.generations()
        if generation.published_at or generation.announced  # what earlier versions made has no time
    }

    def last(former: Sequence[Membership]) -> Membership:
        told = [membership for membership in former if membership.generation in when]
        return max(told, key=lambda membership: (when[membership.generation], membership.generation), default=former[0])

    return last
