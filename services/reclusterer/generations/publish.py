"""Publish a generation: a new one, one that was held back, or an earlier one.

    activate -> drain -> backfill -> announce -> `announced` is set -> retire

The activation is the one write that readers see. Everything after it can be repeated, and the next process that has
the lease does so until `announced` is set. No other generation is published before that, so consumers always know the
generation before. The backfill comes before the announcement: then the repository contains what is to be announced,
and a process that dies loses nothing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.reclusterer.generations.announce import announce, announce_clusters, announce_publication
from services.reclusterer.generations.backfill import backfill
from services.reclusterer.generations.diff import diff_generations
from services.reclusterer.generations.lease import AcquiredLease, Wait
from services.reclusterer.generations.phases import Phases
from services.reclusterer.settings import JobSettings
from shared.domain.events import Publication
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.domain.topics import GENERATIONS_PUBLISHED
from shared.errors import InvalidInput, Transient
from shared.ports.repository import FaceRepository
from shared.ports.streams import RecordWriter

NOT_ANNOUNCED = (
    f"topic {GENERATIONS_PUBLISHED.name} does not exist, or this user may not write to it: consumers do not learn that"
    " the publication is complete; run `facestream init` and check the rights"
)
"""Logged by an installation that was upgraded without `facestream init`."""

_ANNOUNCED_REVISION = "announced_revision"
"""Among the counts of a generation: the revision of its medoids that was announced last."""

Log = Callable[[str, Mapping[str, object]], object]
"""Logs an event, with its details."""


def no_log(_event: str, _details: Mapping[str, object]) -> None:
    """Log nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Publishes generations, as the process that has the lease.

    `writer`: None if there are no consumers, as for the result of a folder. `assigner`: its settings, for the backfill.
    `settings`: the drain period, and how many generations are kept.
    """

    repository: FaceRepository
    lease: AcquiredLease
    writer: RecordWriter | None
    assigner: AssignerSettings
    settings: JobSettings
    phases: Phases = field(default_factory=Phases)
    wait: Wait = time.sleep
    log: Log = no_log
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def resume(self) -> Generation | None:
        """Finish what a process that died has left: unfinished generations, a publication. Return the active one.

        Raises `Transient` and `Fatal`.
        """
        active = self.repository.active_generation()
        for generation in self.repository.generations():
            if active and generation.number == active.number:
                active = self._with_state(generation, GenerationState.ACTIVE)
            elif generation.state is GenerationState.BUILDING:
                self.repository.remove_generation(generation.number)
            elif generation.state is GenerationState.ACTIVE:
                self._with_state(generation, GenerationState.RETIRED)
        return self._finish(active) if active and not active.announced else active

    def publish(self, generation: Generation) -> Generation:
        """Make a complete generation the active one, and announce it; return it as it is then.

        Raises `InvalidInput` if the active generation is pinned, `Transient` and `Fatal` if another process has
        activated a generation or acquired the lease; in these cases nothing was changed.
        """
        active = self.repository.active_generation()
        previous = active.number if active else 0
        generation = replace(generation, previous=previous, published_at=self.now(), announced=False, reason="")
        with self.phases("activate"):
            self.lease.check()
            self._check_not_pinned(previous)
            self.repository.save_generation(generation)
            if not self.repository.activate(generation.number, active.number if active else None, self.lease.number):
                self._raise_refusal(previous)
        generation = self._with_state(generation, GenerationState.ACTIVE)
        if active:
            self._with_state(active, GenerationState.RETIRED)
        self.log("generation is active", {"generation": generation.number, "before": previous})
        return self._finish(generation)

    def announce_refitted(self) -> None:
        """Announce all clusters of the active generation again, if medoids of theirs were erased since the last time.

        For a run that publishes nothing. Otherwise the id of an erased face would remain in the last record of a
        cluster until the next publication. Can be repeated. Raises `Transient` and `Fatal` as `publish` does.
        """
        active = self.repository.active_generation()
        if self.writer is None or active is None or active.revision == active.counts.get(_ANNOUNCED_REVISION, 0):
            return
        with self.phases("announce clusters"):
            self.lease.check()
            now = replace(active, published_at=self.now())
            changes = diff_generations(self.repository, active.number, active.number)
            announce_clusters(self.repository, now, self.writer, changes)
        self.repository.save_generation(_with_announced_revision(active, active.revision))
        self.log("clusters announced again", {"generation": active.number, "clusters": len(changes)})

    def retire(self) -> None:
        """Remove all generations but the latest; the active one and pinned ones stay. Raises `Transient`."""
        active = self.repository.active_generation()
        pinned = self.repository.pinned()
        others = [
            generation.number
            for generation in self.repository.generations()
            if generation.number not in pinned and not (active and generation.number == active.number)
        ]
        old = others[: max(0, len(others) - (self.settings.keep - 1))]
        # Generation 0 is what the assigner wrote before the first generation.
        for number in [0, *old] if old else []:
            self.repository.remove_generation(number)

    def _finish(self, generation: Generation) -> Generation:
        with self.phases("drain"):
            self.wait(self.settings.drain_period if self.writer else 0)
        with self.phases("backfill"):
            backfilled = backfill(self.repository, generation, self.assigner)
        faces = clusters = 0
        if self.writer:
            with self.phases("announce"):
                self.lease.check()
                before = self.repository.generation(generation.number)
                faces, clusters = announce(self.repository, generation, self.writer)
                self._announce_publication(generation, self.writer, faces, clusters)
            # The revision before the announcement: what is erased during it counts as erased afterwards.
            generation = _with_announced_revision(generation, before.revision if before else 0)
        timings = {**generation.timings, **self.phases.seconds}
        generation = replace(generation, announced=True, timings=timings)
        self.repository.save_generation(generation)
        details = {"generation": generation.number, "backfilled": backfilled, "faces": faces, "clusters": clusters}
        self.log("generation announced", details)
        with self.phases("retire"):
            self.retire()
        return generation

    def _announce_publication(self, generation: Generation, writer: RecordWriter, faces: int, clusters: int) -> None:
        is_rollback = generation.number < generation.previous
        cause = Publication.ROLLED_BACK if is_rollback else Publication.RECLUSTERED
        if not announce_publication(generation, writer, cause, faces=faces, clusters=clusters):
            self.log(NOT_ANNOUNCED, {"generation": generation.number})

    def _with_state(self, generation: Generation, state: GenerationState) -> Generation:
        if generation.state is not state:
            generation = replace(generation, state=state)
            self.repository.save_generation(generation)
        return generation

    def _raise_refusal(self, previous: int) -> None:
        """Raise the error that explains why the activation was refused."""
        self.lease.check()
        self._check_not_pinned(previous)
        msg = "another process activated a generation in the meantime; nothing was changed"
        raise Transient(msg)

    def _check_not_pinned(self, active: int) -> None:
        if active in self.repository.pinned():
            msg = f"generation {active} is active and pinned: no other generation is published until it is unpinned"
            raise InvalidInput(msg)


def _with_announced_revision(generation: Generation, revision: int) -> Generation:
    if not revision:
        return generation
    return replace(generation, counts={**generation.counts, _ANNOUNCED_REVISION: revision})
