"""Publishing the generations of a result: nobody else is there, and nobody has to be told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.reclusterer.generations.lease import acquire_lease
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings
from shared.domain.matching import AssignerSettings
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


def job_settings() -> JobSettings:
    """Return settings by which a generation is made however little has changed, and published whatever it is."""
    return JobSettings(least_change_faces=0, least_change_share=0, largest_loss=1, largest_cluster=1)


@contextmanager
def publisher(repository: FaceRepository, assigner: AssignerSettings) -> Iterator[Publisher]:
    """Yield a publisher of generations of a result, for the process that has locked its folder."""
    job = job_settings()
    with acquire_lease(repository, "facestream run", job) as lease:
        yield Publisher(repository=repository, lease=lease, writer=None, assigner=assigner, settings=job)


def check_not_pinned(repository: FaceRepository, out: Path) -> None:
    """Raise `InvalidInput` where a person wants to keep the active generation of the result in `out`."""
    active = repository.active_generation()
    if active and active.number in repository.pinned():
        msg = f"{out}: generation {active.number} is active and pinned, so that nothing takes its place; run without"
        msg += f" --recluster, or `facestream generations unpin {active.number} --result {out}` before"
        raise InvalidInput(msg)
