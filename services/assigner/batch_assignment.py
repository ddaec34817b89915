"""Assigns the faces of a batch in the active generation, and stores the result."""

from collections.abc import Container, Iterable, Sequence

from more_itertools import partition

from services.assigner.active_generation import ActiveGeneration, ActivePeople
from services.assigner.output_records import AcceptedEvent
from services.assigner.prefetch import Prefetcher
from services.assigner.previous_assignments import NO_ASSIGNMENTS, PreviousAssignments, previous_assignments
from services.assigner.step import Assigned, accepted_faces, assign
from shared.domain.events import FacesEmbedded
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.domain.records import Membership
from shared.erasure.former_memberships import restored_memberships
from shared.erasure.refit import refit_returned
from shared.metrics import timed
from shared.ports.repository import FaceRepository

_NOBODY = People([])


class BatchAssignment:
    """Assigns and stores faces. `prefetcher` has the results of searches that were done before the batch."""

    def __init__(
        self,
        repository: FaceRepository,
        active: ActiveGeneration,
        prefetcher: Prefetcher,
        settings: AssignerSettings,
    ) -> None:
        self._repository = repository
        self._active = active
        self._prefetcher = prefetcher
        self._settings = settings

    def assign(self, arrived: Sequence[AcceptedEvent]) -> Sequence[Assigned]:
        """Assign faces in the generation that is active once everything is stored; return the results in this order.

        Is repeated if another generation has become active by then, or if a person was removed meanwhile with the last
        of the faces. Raises `Transient`.
        """
        fresh: set[Membership] = set()  # stored by this call, so not previous assignments
        while arrived:
            active = self._active.current()
            previous = self._previous(arrived, active, fresh)
            with timed("assign"):
                assigned = self._assigned(arrived, active, previous)
            with timed("write"):
                # Images last: a photograph counts as processed when its image is stored.
                self._repository.save_faces([face for item in assigned for face in item.faces])
                self._repository.save_memberships([found for item in assigned for found in item.memberships])
                if restored := previous.restored():
                    self._refit(active, restored)
                self._repository.save_images([item.image for item in assigned])
            new = {
                found for item in assigned for found in item.memberships if found != previous.current.get(found.face_id)
            }
            if self._active.is_still(active, _cluster_ids(new, arrived, active)):
                return assigned
            fresh |= new
        return []

    def _previous(
        self, arrived: Sequence[AcceptedEvent], active: ActivePeople, fresh: Container[Membership]
    ) -> PreviousAssignments:
        faces = [face.face_id for item in arrived for face in accepted_faces(item.event)]
        if not active.generation or not faces:
            return NO_ASSIGNMENTS
        with timed("read"):
            former = restored_memberships(self._repository, active.generation, faces, active.people)
            found = self._repository.memberships_of(active.generation, faces)
        current = {face_id: membership for face_id, membership in found.items() if membership not in fresh}
        photos = [(item.event, _is_comparable(item.event, active)) for item in arrived]
        return previous_assignments(photos, current, former, active.people)

    def _assigned(
        self, arrived: Sequence[AcceptedEvent], active: ActivePeople, previous: PreviousAssignments
    ) -> list[Assigned]:
        """Assign the faces of each photograph. Embeddings of another model are compared with nobody."""
        others, ours = map(list, partition(lambda item: _is_comparable(item.event, active), arrived))
        found: dict[str, Assigned] = {}
        for people, part in ((active.people, ours), (_NOBODY, others)):
            sources, events = [item.record.record_id for item in part], [item.event for item in part]
            nearest = self._prefetcher.nearest(sources, active)
            assigned = assign(
                events, active.generation, people, self._settings, sources, nearest=nearest, kept=previous.kept
            )
            found.update(zip(sources, assigned, strict=True))
        return [found[item.record.record_id] for item in arrived]

    def _refit(self, active: ActivePeople, restored: Sequence[Membership]) -> None:
        """Recompute the clusters that got faces back."""
        generation = self._repository.generation(active.generation)
        if generation:
            refit_returned(self._repository, generation, restored)


def _is_comparable(event: FacesEmbedded, active: ActivePeople) -> bool:
    """Return whether the embeddings of a photograph are of the same model as the people."""
    models = {face.model_id for face in accepted_faces(event)}
    return active.model_id is None or models <= {active.model_id}


def _cluster_ids(memberships: Iterable[Membership], arrived: Sequence[AcceptedEvent], active: ActivePeople) -> set[str]:
    """Return the clusters of memberships, without those of faces that another model embedded."""
    comparable = {
        face.face_id for item in arrived if _is_comparable(item.event, active) for face in accepted_faces(item.event)
    }
    return {item.cluster_id for item in memberships if item.cluster_id is not None and item.face_id in comparable}
