"""The people of the active generation, looked up anew at most once a second."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from shared import metrics
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.ports.repository import FaceRepository

_LOOK_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The people of one generation, 0 before the first, as they were at one of its revisions.

    `model_id`: whose embeddings they are, None for all.
    """

    generation: int
    model_id: str | None
    people: People
    revision: int = 0


class ActiveGroup:
    """Keeps the group of the active generation."""

    def __init__(self, repository: FaceRepository, settings: AssignerSettings) -> None:
        self._repository = repository
        self._settings = settings
        self._group = Group(0, None, People([]))
        self._looked_at = float("-inf")

    def current(self) -> Group:
        """Return the active group as it was a second ago or later; raises `Transient`."""
        if time.monotonic() >= self._looked_at + _LOOK_EVERY:
            self._look()
        return self._group

    def known(self) -> Group:
        """Return the group as it was seen last; asks nobody."""
        return self._group

    def is_still(self, group: Group, cluster_ids: Iterable[str]) -> bool:
        """Look now, and say whether these people of a group are people of the active generation; raises `Transient`.

        Medoids that moved meanwhile do not count: a second ago other ones were compared with as well, and on a busy
        day some person's medoid moves in every batch.
        """
        self._look()
        now = self._group
        return now.generation == group.generation and all(cluster_id in now.people for cluster_id in cluster_ids)

    def _look(self) -> None:
        active = self._repository.active_generation()
        if active and (active.number, active.revision) != (self._group.generation, self._group.revision):
            number = active.number
            people = People(self._repository.clusters(number), self._settings.rule)
            is_another = number != self._group.generation
            self._group = Group(number, active.model_id, people, active.revision)
            metrics.PEOPLE.set(len(people))
            if is_another:
                metrics.GENERATION.set(number)
                metrics.GENERATION_SINCE.set_to_current_time()
                if active.created_at:
                    metrics.GENERATION_CREATED.set(active.created_at.timestamp())
                structlog.get_logger().info("people of a generation", generation=number, people=len(people))
        self._looked_at = time.monotonic()
