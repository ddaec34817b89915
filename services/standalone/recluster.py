"""Reclustering the faces of a result: when it is due, and who may publish the new generation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from more_itertools import ilen

from services.reclusterer.generations.lease import taken
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation
from shared.errors import InvalidInput
from shared.ports.generations import GenerationStore
from shared.ports.photos import PhotoCatalog
from shared.ports.repository import FaceRepository


@contextmanager
def publisher(repository: FaceRepository, assigner: AssignerSettings) -> Iterator[Publisher]:
    """Acquire the lease and yield what publishes generations of a result, to a process that has locked its folder.

    Nothing is announced, since a result has no stream. A person has asked for the reclustering, so it is done and
    published however small or large the difference is.
    """
    job = JobSettings(least_change_faces=0, least_change_share=0, largest_loss=1, largest_cluster=1)
    with taken(repository, "facestream run", job) as lease:
        yield Publisher(repository, lease, None, assigner, job)


def check_not_pinned(generations: GenerationStore, out: Path) -> None:
    """Raise `InvalidInput` if the active generation of the result in `out` is pinned, so that none may replace it."""
    active = generations.active_generation()
    if active and active.number in generations.pinned():
        msg = f"{out}: generation {active.number} is active and pinned, so that no other replaces it; run without"
        msg += f" --recluster, or `facestream generations unpin {active.number} --result {out}` before"
        raise InvalidInput(msg)


def is_due(active: Generation | None, catalog: PhotoCatalog, below: float) -> bool:
    """Return whether a run reclusters even if nobody asked for it.

    It does before the first generation, and while the active one has no people or was made of less than the share
    `below` of the faces there are now: a first run over few photographs decides nothing. It does not if a person went
    back to an earlier generation, since that was a decision.
    """
    if active is None:
        return True
    if active.previous > active.number:
        return False
    if not active.counts.get("clusters"):
        return True
    return active.counts.get("faces", 0) < below * ilen(catalog.accepted_ids())
