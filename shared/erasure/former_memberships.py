"""Restore the memberships of faces whose photograph was removed and has returned.

A face id is derived from content, key and box, so a photograph that was removed and uploaded again has the same faces.
Their clusters came from a reclustering, which sees more than the medoid with which new faces are compared.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime

from shared.domain.events import Cause
from shared.domain.records import Membership
from shared.ports.repository import FaceRepository

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def restored_memberships(
    repository: FaceRepository, generation: int, face_ids: Sequence[str], cluster_ids: Container[str]
) -> Mapping[str, Membership]:
    """Return the memberships to restore in a generation, by face id. Raises `Transient`.

    A face that was in this generation gets the same membership, even if its cluster was removed with its last face:
    call `shared.erasure.refit.refit_returned` after saving them. A face that was last in another generation gets the
    cluster that it had there, if that is one of `cluster_ids`, the clusters of this generation.
    """
    found = {}
    former_of = repository.former_memberships(face_ids)
    latest = latest_published(repository) if former_of else None
    for face_id, former in former_of.items():
        own = next((membership for membership in former if membership.generation == generation), None)
        last = latest(former) if latest else former[0]
        if own:
            found[face_id] = own
        elif last.cluster_id is not None and last.cluster_id in cluster_ids:
            found[face_id] = Membership(generation, face_id, last.cluster_id, last.similarity, Cause.ARRIVED)
    return found


def latest_published(repository: FaceRepository) -> Callable[[Sequence[Membership]], Membership]:
    """Return a function that selects, of the former memberships of a face, the one that was published last.

    A generation that was held back has published nothing: its membership counts only if there is no other. Raises
    `Transient`.
    """
    when = {
        generation.number: generation.published_at or _LONG_AGO
        for generation in repository.generations()
        if generation.published_at or generation.announced  # generations of earlier versions have no time
    }

    def last(former: Sequence[Membership]) -> Membership:
        published = [membership for membership in former if membership.generation in when]
        return max(
            published, key=lambda membership: (when[membership.generation], membership.generation), default=former[0]
        )

    return last
