"""Detection and quality of one photograph after another, each in some process of the pool."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.detector.step import detected, unreadable
from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.folder.store import FolderStore
from shared.domain.events import BucketEvent, FacesScreened, Verdict
from shared.errors import ObjectError, ObjectMissing, Unreadable
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class Screened:
    """A photograph, detected and judged.

    `passing`: what went wrong was not in its bytes (no permission, a disk that fails, no time, memory or process), so
    that it is worth another try. `gone`: it was removed since it was listed.
    """

    photo: FacesScreened
    passing: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Detection:
    """What a photograph is detected and judged with; a value, since it travels to other processes."""

    photos: Path
    crops: Path
    landmarks: Path
    buckets: BucketSettings
    detector: DetectorSettings
    quality: QualitySettings

    def objects(self) -> FolderStore:
        """Return the store of photographs and crops."""
        return FolderStore({self.buckets.photos: self.photos, self.buckets.faces: self.crops})

    def finder(self) -> PhotoDetector:
        """Return what finds the faces."""
        return PhotoDetector(self.landmarks, self.detector)

    def screened(self, events: Iterable[BucketEvent], processes: PhotoPool, waiting: int) -> Iterator[Screened]:
        """Yield the photograph of every event, detected and judged, in the order of the events.

        `waiting`: how many may be finished before the caller takes them.
        """
        objects = self.objects()
        for event, outcome in processes.each(partial(_screened, self), events, Unreadable, waiting):
            if isinstance(outcome, Unreadable):
                etag = ""
                with contextlib.suppress(ObjectError):
                    etag = objects.get(event.bucket, event.key, self.detector.max_bytes).etag
                yield _failed(event, etag, outcome)
            else:
                yield outcome


def _screened(detection: Detection, event: BucketEvent) -> Screened:
    objects, etag = detection.objects(), ""
    try:
        stored = objects.get(event.bucket, event.key, detection.detector.max_bytes)
        etag = stored.etag
        photo = detected(event, etag, detection.finder().detect(stored.data), objects, detection.buckets)
    except (ObjectError, Unreadable) as error:
        return _failed(event, etag, error)
    found = screen(photo, objects, detection.quality, detection.buckets)
    return Screened(found, passing=any(face.verdict is Verdict.CROP_MISSING for face in found.faces))


def _failed(event: BucketEvent, etag: str, error: ObjectError | Unreadable) -> Screened:
    failed = unreadable(event, etag, error)
    reason = (failed.reason or "").removeprefix(f"{event.bucket}/{event.key}: ")
    screened = FacesScreened(photo=failed.photo, outcome=failed.outcome, reason=reason, passing=failed.passing)
    return Screened(screened, passing=failed.passing, gone=isinstance(error, ObjectMissing))
