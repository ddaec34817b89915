"""The reference: the people that the standalone run finds on the same photographs."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from shared.adapters.sqlite.repository import SqliteRepository
from shared.ports.repository import FaceRepository
from tools.samples import ROOT, run_facestream

MIN_CLUSTER_SIZE = 4  # faces; small, because there are few photographs
People = dict[str, str | None]


class Reference:
    """Two standalone runs in a thread: one over the first photographs, which reclusters, and one over all."""

    def __init__(self, folder: Path, files: Sequence[Path], first: int, out: Path) -> None:
        """`folder` holds the `files`; the first `first` of them are reclustered."""
        self._database = out / "facestream.db"
        self._failure = ""
        self._thread = Thread(target=self._run, args=(folder, files, first, out), name="reference", daemon=True)
        self._thread.start()

    def people(self) -> People:
        """Return the person of every accepted face, None for unknown; waits until the runs have ended."""
        self._thread.join()
        assert not self._failure, self._failure
        with SqliteRepository(self._database) as repository:
            return people_of(repository)

    def _run(self, folder: Path, files: Sequence[Path], first: int, out: Path) -> None:
        photos = out.with_name(f"{out.name}-photos")
        for part in (files[:first], files[first:]):
            for file in part:
                target = photos / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
            options = ("--min-cluster-size", str(MIN_CLUSTER_SIZE), "--processes", "1")
            # The stream reclusters on a schedule, so the run over the second part must not recluster.
            settings = {"PYTHONPATH": str(ROOT), "FACESTREAM_STANDALONE_RECLUSTER_BELOW": "0"}
            done = run_facestream("run", photos, "--out", out, *options, **settings)
            if done.returncode:
                self._failure = done.stderr
                return


def people_of(repository: FaceRepository) -> People:
    """Return the person of every accepted face in the active generation."""
    active = repository.active_generation()
    assert active
    return {item.face_id: item.cluster_id for item in repository.memberships(active.number)}
