"""Publishing a generation: from the swap to the last announcement. One way for new ones, held ones and old ones.

    swap -> settle -> catch up -> announce -> tell the end -> `announced` is set -> what is too old is removed

The swap is the one write that readers see. All that follows can be repeated, and is, by whoever holds the lease next,
until `announced` is set; no other generation is published before that, so that what downstream last heard is always
the generation before. Faces are caught up before anything is announced: what to announce then stands in the
repository, and survives a process that dies.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.reclusterer.generations.announce import announce, announce_clusters, announce_publication, changes
from services.reclusterer.generations.backfill import catch_up
from services.reclusterer.generations.lease import Hold, Wait
from services.reclusterer.generations.phases import Phases
from services.reclusterer.settings import JobSettings
from shared.domain.events import Publication
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation, GenerationState
from shared.domain.topics import GENERATIONS_PUBLISHED
from shared.errors import InvalidInput, Transient
from shared.ports.repository import FaceRepository
from shared.ports.streams import RecordWriter

NOT_TOLD = (
    f"topic {GENERATIONS_PUBLISHED.name}: not there, or not for this user; nobody is told that the publication is"
    " complete; run `facestream init` and look at the rights"
)
"""What an installation hears that was brought up to date without the new topic."""

_TOLD = "told_revision"
"""Among the counts of a generation: the revision of its medoids of which the world was told."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """What publishing needs. `writer` None: nobody listens, as with the result of a folder. `say` logs."""

    repository: FaceRepository
    hold: Hold
    writer: RecordWriter | None
    assigner: AssignerSettings
    settings: JobSettings
    phases: Phases = field(default_factory=Phases)
    wait: Wait = time.sleep
    say: Callable[[str, Mapping[str, object]], object] = lambda *_: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def resume(self) -> Generation | None:
        """Clean up after a process that died, finish what it has published; return the active generation."""
        active = self.repository.active_generation()
        for generation in self.repository.generations():
            if active and generation.number == active.number:
                active = self._stated(generation, GenerationState.ACTIVE)
            elif generation.state is GenerationState.BUILDING:
                self.repository.remove_generation(generation.number)
            elif generation.state is GenerationState.ACTIVE:
                self._stated(generation, GenerationState.RETIRED)
        return self._finish(active) if active and not active.announced else active

    def publish(self, generation: Generation) -> Generation:
        """Make a whole generation the active one, and tell the world; return it as it then is.

        Raises `InvalidInput` where the active one is pinned, `Transient` and `Fatal` where this process is too late;
        nothing was changed then.
        """
        active = self.repository.active_generation()
        previous = active.number if active else 0
        generation = replace(generation, previous=previous, published_at=self.now(), announced=False, reason="")
        with self.phases("swap"):
            self.hold.check()
            self._check_not_pinned(previous)
            self.repository.save_generation(generation)
            if not self.repository.activate(generation.number, active.number if active else None, self.hold.number):
                self._refused(previous)
        generation = self._stated(generation, GenerationState.ACTIVE)
        if active:
            self._stated(active, GenerationState.RETIRED)
        self.say("generation is active", {"generation": generation.number, "before": previous})
        return self._finish(generation)

    def tell_refitted(self) -> None:
        """Tell anew of the people of the active generation, where medoids of theirs were erased since the last time.

        For a run that publishes nothing: else the id of an erased face would be the last word on a person for as long
        as no generation is published. Can be repeated. Raises `Transient` and `Fatal` as `publish` does.
        """
        active = self.repository.active_generation()
        if self.writer is None or active is None or active.revision == active.counts.get(_TOLD, 0):
            return
        with self.phases("tell of people"):
            self.hold.check()
            now = replace(active, published_at=self.now())
            fates = changes(self.repository, active.number, active.number)
            announce_clusters(self.repository, now, self.writer, fates)
        self.repository.save_generation(_told(active, active.revision))
        self.say("people told of anew", {"generation": active.number, "clusters": len(fates)})

    def retire(self) -> None:
        """Remove all but the last generations; the active one and pinned ones stay."""
        active = self.repository.active_generation()
        pinned = self.repository.pinned()
        others = [
            generation.number
            for generation in self.repository.generations()
            if generation.number not in pinned and not (active and generation.number == active.number)
        ]
        old = others[: max(0, len(others) - (self.settings.keep - 1))]
        # 0 is no generation, but what the assigner said before the first one.
        for number in [0, *old] if old else []:
            self.repository.remove_generation(number)

    def _finish(self, generation: Generation) -> Generation:
        with self.phases("settle"):
            self.wait(self.settings.drain_period if self.writer else 0)
        with self.phases("catch up"):
            late = catch_up(self.repository, generation, self.assigner)
        faces = clusters = 0
        if self.writer:
            with self.phases("announce"):
                self.hold.check()
                before = self.repository.generation(generation.number)
                faces, clusters = announce(self.repository, generation, self.writer)
                self._tell_the_end(generation, self.writer, faces, clusters)
            # What is erased while it is told counts as erased since.
            generation = _told(generation, before.revision if before else 0)
        timings = {**generation.timings, **self.phases.seconds}
        generation = replace(generation, announced=True, timings=timings)
        self.repository.save_generation(generation)
        told = {"generation": generation.number, "late": late, "faces": faces, "clusters": clusters}
        self.say("generation announced", told)
        with self.phases("retire"):
            self.retire()
        return generation

    def _tell_the_end(self, generation: Generation, writer: RecordWriter, faces: int, clusters: int) -> None:
        is_back = generation.number < generation.previous
        cause = Publication.ROLLED_BACK if is_back else Publication.RECLUSTERED
        if not announce_publication(generation, writer, cause, faces=faces, clusters=clusters):
            self.say(NOT_TOLD, {"generation": generation.number})

    def _stated(self, generation: Generation, state: GenerationState) -> Generation:
        if generation.state is not state:
            generation = replace(generation, state=state)
            self.repository.save_generation(generation)
        return generation

    def _refused(self, previous: int) -> None:
        """Say why the swap was refused."""
        self.hold.check()
        self._check_not_pinned(previous)
        msg = "another process activated a generation meanwhile; nothing was changed"
        raise Transient(msg)

    def _check_not_pinned(self, active: int) -> None:
        if active in self.repository.pinned():
            msg = f"generation {active} is active and pinned: nothing takes its place until it is unpinned"
            raise InvalidInput(msg)


def _told(generation: Generation, revision: int) -> Generation:
    return replace(generation, counts={**generation.counts, _TOLD: revision}) if revision else generation
