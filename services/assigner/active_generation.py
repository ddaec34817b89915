"""The people of the active generation, read again at most once a second."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from shared import metrics
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People
from shared.domain.records import Generation
from shared.ports.generations import GenerationStore

_REFRESH_PERIOD = 1.0  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class ActivePeople:
    """The people of one generation at one of its revisions; generation 0 is before the first one.

    `model_id`: the model whose embeddings they are, None if faces of all models may be compared with them.
    """

    generation: int
    model_id: str | None
    people: People
    revision: int = 0


class ActiveGeneration:
    """Reads the people of the active generation."""

    def __init__(self, generations: GenerationStore, settings: AssignerSettings) -> None:
        self._generations = generations
        self._settings = settings
        self._read = ActivePeople(0, None, People([]))
        self._read_at = float("-inf")  # monotonic, in seconds

    def current(self) -> ActivePeople:
        """Return the people of the active generation, as they were at most a second ago; raises `Transient`."""
        if time.monotonic() >= self._read_at + _REFRESH_PERIOD:
            self._refresh()
        return self._read

    def last_read(self) -> ActivePeople:
        """Return the people that were read last. Does not block."""
        return self._read

    def is_still(self, active: ActivePeople, cluster_ids: Iterable[str]) -> bool:
        """Read again, and return whether these people of `active` are people of the active generation.

        Medoids may have moved since: a face that arrived a second ago was compared with the earlier ones too, and on a
        busy day some medoid moves in every batch. Raises `Transient`.
        """
        self._refresh()
        now = self._read
        return now.generation == active.generation and all(cluster_id in now.people for cluster_id in cluster_ids)

    def _refresh(self) -> None:
        active = self._generations.active_generation()
        if active and (active.number, active.revision) != (self._read.generation, self._read.revision):
            people = People(self._generations.clusters(active.number), self._settings.rule)
            is_another = active.number != self._read.generation
            self._read = ActivePeople(active.number, active.model_id, people, active.revision)
            metrics.PEOPLE.set(len(people))
            if is_another:
                _report(active, people)
        self._read_at = time.monotonic()


def _report(active: Generation, people: People) -> None:
    metrics.GENERATION.set(active.number)
    metrics.GENERATION_SINCE.set_to_current_time()
    if active.created_at:
        metrics.GENERATION_CREATED.set(active.created_at.timestamp())
    structlog.get_logger().info("people of a generation", generation=active.number, people=len(people))
