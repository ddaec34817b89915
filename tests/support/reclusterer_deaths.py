"""The job in processes that are killed: `python -m tests.support.reclusterer_deaths FOLDER`, a line of JSON for each
death.

Each death is a child that works on a SQLite file and kills itself after one of its writes; another child then starts
the job as if nothing had happened. Forked from a process that has loaded and compiled all, so that a child costs no
start; to be run with one thread for linear algebra, since threads do not survive a fork.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import structlog

from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.job import Job
from services.reclusterer.settings import JobSettings
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.events import FaceAssigned
from shared.domain.topics import FACES_ASSIGNED
from shared.ports.streams import ProducedRecord
from shared.stream.health import Health
from tests.support.reclustering import ASSIGNER, CLUSTERING, Watched, add_photos, people
from tests.support.synthetic_faces import embeddings

_FACES = embeddings([6, 1, 5, 4])
_NAMES = [f"{number:04}" for number in range(len(_FACES))]
_JOB = JobSettings(least_change_share=0, drain_period=0, lease=3600)


class FileWriter:
    """A `RecordWriter` into a file: a transaction is one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write_if(self, records: Sequence[ProducedRecord], holds: Callable[[], bool]) -> bool:
        if not holds():
            return False
        line = [[record.topic, record.key.decode(), (record.value or b"").decode()] for record in records]
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        return True

    def knows(self, topic: str) -> bool:  # noqa: ARG002  as in the port
        return True


# Between two of these, a death is the same as after the first one.
_WRITES = {
    *("activate", "next_generation_number", "remove_generation", "remove_memberships", "replace_lease"),
    *("save_clusters", "save_generation", "save_memberships", "write_if"),
    "images_of",  # the last look before a commit
}


def recluster(folder: Path, death: int) -> int:
    """Run the job in a child that kills itself after its n-th write; return the number of writes, 0 where it died."""
    child = os.fork()
    if not child:
        writes = 0

        def die(_number: int, name: str) -> None:
            nonlocal writes
            writes += name in _WRITES
            if writes == death:
                os.kill(os.getpid(), signal.SIGKILL)

        repository = SqliteRepository(folder / "people.db")
        watched: Any = Watched(repository, after=die)
        writer: Any = Watched(FileWriter(folder / "said"), after=die)
        job = Job(
            repository=watched,
            open_writer=lambda: writer,
            holder="test",
            clustering=CLUSTERING,
            assigner=ASSIGNER,
            settings=_JOB,
            health=Health(60),
            stop=Event(),
        )
        job.once()
        (folder / "writes").write_text(str(writes))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return 0 if os.WIFSIGNALED(status) else int((folder / "writes").read_text())


def prepared(folder: Path) -> Path:
    """Return a folder with one generation, faces that came since, and what was said so far."""
    folder.mkdir()
    with SqliteRepository(folder / "people.db") as repository:
        add_photos(repository, _FACES[:9], _NAMES[:9])
    recluster(folder, -1)
    with SqliteRepository(folder / "people.db") as repository:
        add_photos(repository, _FACES[9:], _NAMES[9:], 1)
    return folder


def found(folder: Path) -> dict[str, object]:
    """Return what readers and downstream know at the end. Names are left out: those of new people may differ."""
    heard: dict[str, str | None] = dict.fromkeys(_NAMES)
    for line in (folder / "said").read_text().splitlines():
        for topic, key, value in json.loads(line):
            if topic == FACES_ASSIGNED.name:
                heard[key] = FaceAssigned.model_validate_json(value).cluster_id
    with SqliteRepository(folder / "people.db") as repository:
        active = repository.active_generation()
        assert active
        members = {item.face_id: item.cluster_id for item in repository.memberships(active.number)}
        return {
            "people": sorted(sorted(faces) for faces in people(members)),
            "heard": heard == members,
            "states": [f"{item.state}, {item.announced}" for item in repository.generations()],
        }


def main() -> None:
    """Die after every write once."""
    folder = Path(sys.argv[1])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    cluster_faces(_FACES, np.arange(len(_FACES), dtype=np.int32), CLUSTERING)
    before = prepared(folder / "before")
    undisturbed = shutil.copytree(before, folder / "undisturbed")
    writes = recluster(undisturbed, -1)
    sys.stdout.write(json.dumps(found(undisturbed)) + "\n")
    for death in range(1, writes + 1):
        disturbed = shutil.copytree(before, folder / str(death))
        died = not recluster(disturbed, death)
        recluster(disturbed, -1)
        sys.stdout.write(json.dumps({"died": died, **found(disturbed)}) + "\n")


if __name__ == "__main__":
    main()
