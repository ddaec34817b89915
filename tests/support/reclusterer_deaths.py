"""The job of the reclusterer in killed processes: `python -m tests.support.reclusterer_deaths FOLDER`.

Prints a line of JSON for each death. A death is a child process that works on a SQLite file and kills itself after one
of its writes; another child then runs the job again. Children are forked from a process that has loaded and compiled
everything, so that they start at once. Run it with one thread for linear algebra: threads do not survive a fork.
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


# Calls that change something. A death between two of them has the same effect as one after the first.
_WRITES = {
    *("activate", "next_generation_number", "remove_generation", "remove_memberships", "replace_lease"),
    *("save_clusters", "save_generation", "save_memberships", "write_if"),
    "images_of",  # the last look before a commit
}


def recluster(folder: Path, death: int) -> int:
    """Run the job in a child that kills itself after write number `death`; return the number of writes, 0 if killed."""
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
        writer: Any = Watched(FileWriter(folder / "records"), after=die)
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
    """Return a folder with one generation, faces that arrived since, and the records written so far."""
    folder.mkdir()
    with SqliteRepository(folder / "people.db") as repository:
        add_photos(repository, _FACES[:9], _NAMES[:9])
    recluster(folder, -1)
    with SqliteRepository(folder / "people.db") as repository:
        add_photos(repository, _FACES[9:], _NAMES[9:], 1)
    return folder


def found(folder: Path) -> dict[str, object]:
    """Return the state at the end, in the database and downstream, without ids: those of new people may differ."""
    downstream: dict[str, str | None] = dict.fromkeys(_NAMES)
    for line in (folder / "records").read_text().splitlines():
        for topic, key, value in json.loads(line):
            if topic == FACES_ASSIGNED.name:
                downstream[key] = FaceAssigned.model_validate_json(value).cluster_id
    with SqliteRepository(folder / "people.db") as repository:
        active = repository.active_generation()
        assert active
        members = {item.face_id: item.cluster_id for item in repository.memberships(active.number)}
        return {
            "people": sorted(sorted(faces) for faces in people(members)),
            "downstream agrees": downstream == members,
            "states": [f"{item.state}, {item.announced}" for item in repository.generations()],
        }


def main() -> None:
    """Run without a death, and then with a death after each write."""
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
