"""The first two steps of a photograph, detection and quality, in the processes of a pool."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from services.detector.detections import PhotoDetections
from services.detector.photo_pool import PhotoPool
from services.detector.step import detected, unreadable
from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.domain.events import BucketEvent, FacesScreened, Verdict
from shared.errors import ObjectError, ObjectMissing, Unreadable
from shared.ports.objects import ObjectStore
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class Screened:
    """A photograph after detection and quality.

    `passing`: it failed for a reason that is not in its bytes (no permission, a failing disk, too little time or
    memory), so that another try may succeed. `gone`: it was removed after the folder was listed.
    """

    photo: FacesScreened
    passing: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectAndScreen:
    """Detects the faces on a photograph and judges their crops. It can be pickled, to be sent to other processes.

    `objects` has the photographs and takes the crops. `detect` finds the faces in the bytes of a photograph, and raises
    `Unreadable`. A photograph of more than `max_bytes` bytes is not read.
    """

    objects: ObjectStore
    detect: Callable[[bytes], PhotoDetections]
    max_bytes: int
    quality: QualitySettings
    buckets: BucketSettings

    def __call__(self, event: BucketEvent) -> Screened:
        """Return the photograph of an event with its judged faces; the crops are stored."""
        etag = ""
        try:
            stored = self.objects.get(event.bucket, event.key, self.max_bytes)
            etag = stored.etag
            photo = detected(event, etag, self.detect(stored.data), self.objects, self.buckets)
        except (ObjectError, Unreadable) as error:
            return _failed(event, etag, error)
        screened = screen(photo, self.objects, self.quality, self.buckets)
        return Screened(screened, passing=any(face.verdict is Verdict.CROP_MISSING for face in screened.faces))

    def in_pool(self, events: Iterable[BucketEvent], pool: PhotoPool, waiting: int) -> Iterator[Screened]:
        """Yield the photograph of each event, in the order of the events.

        `waiting`: number of finished photographs that may wait for the caller, so that no process idles meanwhile.
        """
        for event, outcome in pool.each(self, events, Unreadable, waiting):
            if isinstance(outcome, Unreadable):
                etag = ""
                with contextlib.suppress(ObjectError):
                    etag = self.objects.get(event.bucket, event.key, self.max_bytes).etag
                yield _failed(event, etag, outcome)
            else:
                yield outcome


def _failed(event: BucketEvent, etag: str, error: ObjectError | Unreadable) -> Screened:
    failed = unreadable(event, etag, error)
    reason = (failed.reason or "").removeprefix(f"{event.bucket}/{event.key}: ")
    screened = FacesScreened(photo=failed.photo, outcome=failed.outcome, reason=reason, passing=failed.passing)
    return Screened(screened, passing=failed.passing, gone=isinstance(error, ObjectMissing))
