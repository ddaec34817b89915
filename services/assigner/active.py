"""The people of the active generation, looked up anew at most once a second."""

import time
from dataclasses import dataclass

import structlog

from shared import metrics
from shared.matching import AssignerSettings
from shared.people import People
from shared.ports import FaceRepository

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

    def is_still(self, group: Group) -> bool:
        """Look now, and say whether a group is the active one; raises `Transient`."""
        self._look()
        return self._group is group

    def _look(self) -> None:
        active = self._repository.active_generation()
        if active and (active.number, active.revision) != (self._group.generation, self._group.revision):
            number = active.number
            people = People(self._repository.clusters(number), self._settings.rule)
            self._group = Group(number, active.model_id, people, active.revision)
            metrics.GENERATION.set(number)
            metrics.GENERATION_SINCE.set_to_current_time()
            if active.created_at:
                metrics.GENERATION_CREATED.set(active.created_at.timestamp())
            metrics.PEOPLE.set(len(people))
            structlog.get_logger().info("people of a generation", generation=number, people=len(people))
        self._looked_at = time.monotonic()
