"""Detection and quality of one photograph after another, each in some process of the pool."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.detector.finding import Finder
from services.detector.settings import DetectorSettings
from services.detector.step import detect, unreadable
from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.folder import FolderStore
from shared.errors import ObjectError, Unreadable
from shared.events import BucketEvent, FacesScreened
from shared.processes import Processes
from shared.settings import BucketSettings


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

    def finder(self) -> Finder:
        """Return what finds the faces."""
        return Finder(self.landmarks, self.detector)

    def screened(self, events: Iterable[BucketEvent], processes: Processes, waiting: int) -> Iterator[FacesScreened]:
        """Yield the photograph of every event, detected and judged, in the order of the events.

        `waiting`: how many may be finished before the caller takes them.
        """
        objects = self.objects()
        for event, outcome in processes.each(partial(_screened, self), events, waiting):
            if isinstance(outcome, Unreadable):
                etag = ""
                with contextlib.suppress(ObjectError):
                    etag = objects.get(event.bucket, event.key).etag
                failed = unreadable(event, etag, str(outcome))
                yield FacesScreened(photo=failed.photo, outcome=failed.outcome, reason=failed.reason)
            else:
                yield outcome


def _screened(detection: Detection, event: BucketEvent) -> FacesScreened:
    objects = detection.objects()
    detected = detect(event, objects, detection.finder().find, detection.detector, detection.buckets)
    return screen(detected, objects, detection.quality, detection.buckets)
