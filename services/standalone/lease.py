"""Publishing the generations of a result: nobody else is there, and nobody has to be told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.reclusterer.generations.lease import taken
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.settings import JobSettings
from shared.domain.matching import AssignerSettings
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository


@contextmanager
def publisher(repository: FaceRepository, assigner: AssignerSettings) -> Iterator[Publisher]:
    """Yield what publishes generations of a result, to whoever holds its folder, and so may hold the lease.

    What a person asked for is done however little has changed, and shown whatever it is.
    """
    job = JobSettings(least_change_faces=0, least_change_share=0, largest_loss=1, largest_cluster=1)
    with taken(repository, "facestream run", job) as hold:
        yield Publisher(repository, hold, None, assigner, job)


def check_not_pinned(repository: FaceRepository, out: Path) -> None:
    """Raise `InvalidInput` where a person wants to keep the active generation of the result in `out`."""
    active = repository.active_generation()
    if active and active.number in repository.pinned():
        msg = f"{out}: generation {active.number} is active and pinned, so that nothing takes its place; run without"
        msg += f" --recluster, or `facestream generations unpin {active.number} --result {out}` before"
        raise InvalidInput(msg)
