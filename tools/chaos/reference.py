"""What the standalone runner says of the same photographs."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from shared.adapters.sqlite.repository import SqliteRepository
from shared.ports.repository import FaceRepository
from tools.samples import ROOT, run_facestream

SMALLEST = 4  # faces that make a person, of so few photographs
People = dict[str, str | None]


class Reference:
    """Two runs, beside whatever else goes on: of the first photographs, which are grouped, and then of all."""

    def __init__(self, folder: Path, files: Sequence[Path], first: int, out: Path) -> None:
        """`folder` holds the `files`, of which the `first` so many make the people."""
        self._database = out / "facestream.db"
        self._failure = ""
        self._thread = Thread(target=self._run, args=(folder, files, first, out), name="reference", daemon=True)
        self._thread.start()

    def people(self) -> People:
        """Return the person of every accepted face, None for unknown; waits until it is known."""
        self._thread.join()
        assert not self._failure, self._failure
        with SqliteRepository(self._database) as repository:
            return people_of(repository)

    def _run(self, folder: Path, files: Sequence[Path], first: int, out: Path) -> None:
        shown = out.with_name(f"{out.name}-photos")
        for part in (files[:first], files[first:]):
            for file in part:
                target = shown / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
            options = ("--min-cluster-size", str(SMALLEST), "--processes", "1")
            # The stream regroups on its schedule only, and not when the second part arrives.
            apart = {"PYTHONPATH": str(ROOT), "FACESTREAM_STANDALONE_RECLUSTER_BELOW": "0"}
            done = run_facestream("run", shown, "--out", out, *options, **apart)
            if done.returncode:
                self._failure = done.stderr
                return


def people_of(repository: FaceRepository) -> People:
    """Return the person of every accepted face in the active generation."""
    active = repository.active_generation()
    assert active
    return {item.face_id: item.cluster_id for item in repository.memberships(active.number)}
