"""Reclustering the faces of a result: when it is due, and who may publish the new generation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from more_itertools import ilen

from services.reclusterer.generations.lease import acquire_lease
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings, ReclustererSettings
from services.reclusterer.step import ReclusterResult, recluster
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation
from shared.errors import InvalidInput
from shared.ports.generations import GenerationStore
from shared.ports.photos import PhotoCatalog
from shared.ports.repository import FaceRepository


@contextmanager
def publisher(repository: FaceRepository, assigner: AssignerSettings) -> Iterator[Publisher]:
    """Yield a publisher of generations of a result, for the process that has locked its folder.

    It has acquired the lease. Nothing is announced, since a result has no stream.
    """
    job = _job_settings()
    with acquire_lease(repository, "facestream run", job) as lease:
        yield Publisher(repository=repository, lease=lease, writer=None, assigner=assigner, settings=job)


def recluster_faces(
    repository: FaceRepository, assigner: AssignerSettings, settings: ReclustererSettings, model_id: str
) -> ReclusterResult:
    """Group all faces of a model again, and activate the new generation unless the faces are the same as before."""
    with publisher(repository, assigner) as publishing:
        return recluster(
            repository, publishing, settings, publishing.settings, phases=publishing.phases, model_id=model_id
        )


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


def _job_settings() -> JobSettings:
    """Return settings with which every change makes a new generation, and the guard holds none back."""
    return JobSettings(least_change_faces=0, least_change_share=0, largest_loss=1, largest_cluster=1)
