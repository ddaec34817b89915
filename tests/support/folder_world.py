"""A folder of photographs with known faces, for tests of the run over a folder.

Files, store, index, database and all steps are real except two: the file of a photograph names its people
(`anna ben#7`) instead of showing them, and a pattern replaces each face.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.detector.detections import Detection, PhotoDetections
from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from services.standalone.detect_and_screen import DetectAndScreen
from services.standalone.intake import Added, Intake
from services.standalone.library.decoders import decoders
from services.standalone.library.library import Library
from services.standalone.library.missing import check_presence
from services.standalone.recluster import is_due, recluster_faces
from services.standalone.settings import RunSettings, StandaloneSettings
from services.standalone.summary import Changes
from services.standalone.update import Update
from shared.adapters.folder.store import FolderStore
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.events import Box, Point
from shared.errors import Unreadable
from shared.settings import BucketSettings
from tests.support.synthetic_faces import unit

_SIDE = 12  # pixels of a crop


def photo(*people: str, number: int = 0) -> bytes:
    """Return a photograph of these people; different numbers give different photographs."""
    return f"{' '.join(people)}#{number}".encode()


@dataclass
class World:
    """A folder, its result, and runs over it. `decoded`: the content of every photograph that was decoded."""

    folder: Path
    settings: StandaloneSettings = field(default_factory=lambda: StandaloneSettings(processes=1, photos_per_batch=4))
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    min_cluster_size: int = 3
    decoded: list[bytes] = field(default_factory=list)

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    def put(self, key: str, data: bytes) -> None:
        path = self.photos / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def run(self, *, recluster: bool = False, rescan: bool = False) -> Changes:
        """Do the same as `facestream run`, without writing the files of the result."""
        buckets = BucketSettings()
        (self.folder / "result").mkdir(exist_ok=True)
        settings = RunSettings(
            photos=self.photos,
            out=self.folder / "result",
            rescan=rescan,
            standalone=self.settings,
            buckets=buckets,
            detector=self.detector,
            quality=QualitySettings(sharpness_threshold=0),
            reclusterer=ReclustererSettings(min_cluster_size=self.min_cluster_size),
        )
        store = FolderStore({buckets.photos: settings.photos, buckets.faces: settings.out})
        detect_and_screen = DetectAndScreen(
            objects=store,
            detect=self._detect,
            max_bytes=self.detector.max_bytes,
            quality=settings.quality,
            buckets=buckets,
        )
        with SqliteRepository(settings.out / "facestream.db") as repository:
            library = Library(store, repository, repository.file_index(), buckets)
            decoded_by = decoders(self.detector)
            intake = Intake(library, detect_and_screen, settings, decoded_by)
            update = Update(library=library, intake=intake, settings=settings, decoders=decoded_by)
            comparison = update.compare()
            check_presence(comparison, self.photos, settings.out, self.settings)
            found = update.identify(comparison)
            network: Any = _Patterns()
            pool: Any = _Inline()
            renamed = update.begin(found)
            added = intake.add(found.pending, network, pool, _Silent()) if found.pending else Added()
            changes = update.finish(comparison, found, added, renamed)
            if recluster or is_due(repository.active_generation(), repository, self.settings.recluster_below):
                recluster_faces(repository, settings.assigner, settings.reclusterer, _Patterns.model_id)
            return changes

    def _detect(self, data: bytes) -> PhotoDetections:
        """Stand for the detector: read who is on a photograph."""
        self.decoded.append(data)
        names, _, number = data.decode().partition("#")
        if not number:
            msg = "truncated"
            raise Unreadable(msg)
        point = Point(x=1, y=1)
        faces = tuple(
            Detection(Box(left=10 * index, top=1, width=9, height=9), 1.0, (point,) * 5, _crop(name, number))
            for index, name in enumerate(names.split())
        )
        return PhotoDetections("a pattern", 100, 100, faces)

    def people(self) -> dict[str, dict[str, str | None]]:
        """Return the clusters in the active generation, by key of the photograph, then by face id."""
        with SqliteRepository(self.folder / "result" / "facestream.db") as repository:
            active = repository.active_generation()
            assert active
            found: dict[str, dict[str, str | None]] = {}
            for image in repository.images():
                faces = [face.face_id for face in repository.faces_of([image.image_id]).get(image.image_id, ())]
                members = repository.memberships_of(active.number, faces)
                found[image.key] = {face: members[face].cluster_id for face in faces if face in members}
            return found

    def read(self, question: Callable[[SqliteRepository], Any]) -> Any:
        """Return the result of a function of the repository."""
        with SqliteRepository(self.folder / "result" / "facestream.db") as repository:
            return question(repository)


class _Patterns:
    """Replaces the network: the vector of a crop is its pixels."""

    model_id = "patterns"
    input_size = _SIDE

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not len(crops):
            return np.empty((0, _SIDE * _SIDE * 3), np.float32)
        return unit(crops.reshape(len(crops), -1).astype(np.float32) - 128)


class _Inline:
    """Replaces the process pool; works in this process."""

    def each(
        self, work: Callable[[Any], Any], tasks: Iterable[Any], caught: type[Exception], waiting: int
    ) -> Iterator[tuple[Any, Any]]:
        assert caught is Unreadable
        assert waiting
        return ((task, work(task)) for task in tasks)


class _Silent:
    """A progress bar that shows nothing."""

    def advance(self, photos: int, faces: int) -> None:
        pass

    def stage(self, name: str) -> None:
        pass


def _crop(name: str, number: str) -> bytes:
    pattern = _random(name).integers(28, 228, (_SIDE, _SIDE, 3))
    noise = _random(f"{name} {number}").normal(0, 18, pattern.shape)
    encoded: bytes = cv2.imencode(".png", (pattern + noise).clip(0, 255).astype(np.uint8))[1].tobytes()
    return encoded


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
