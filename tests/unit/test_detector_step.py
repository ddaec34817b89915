import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from prometheus_client import REGISTRY

from services.detector.hog_detector import version_of
from services.detector.photo_detector import PhotoDetector
from services.detector.settings import DetectorSettings
from services.detector.step import detect, unreadable
from services.detector.types import PhotoDetections
from shared.adapters.memory.objects import MemoryObjectStore
from shared.domain import ids
from shared.domain.events import BucketEvent, FacesDetected, Outcome
from shared.errors import ObjectRefused, Transient, Undecoded, Unreadable
from shared.metrics import Drop
from shared.model_files import LANDMARKS, located
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification
from tests.support.failing_store import FailingStore
from tests.support.limits import LIMIT
from tools.samples import sample_photos

SETTINGS = DetectorSettings()
BUCKETS = BucketSettings()
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PORTRAIT = "mindy_kaling"


@pytest.fixture(scope="module")
def detector() -> PhotoDetector:
    return PhotoDetector(located(LANDMARKS), SETTINGS)


def event(key: str = "a.jpg", *, size: int = 0, etag: str | None = None, removed: bool = False) -> BucketEvent:
    return BucketEvent(bucket="photos", key=key, size=size, etag=etag, occurred_at=NOON, removed=removed)


def pixel() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()


def store(**photos: bytes) -> MemoryObjectStore:
    objects = MemoryObjectStore()
    for name, data in photos.items():
        objects.put("photos", f"{name}.jpg", data, "image/jpeg")
    return objects


def run(objects: MemoryObjectStore, detector: PhotoDetector, *events: BucketEvent) -> list[FacesDetected]:
    found = [detect(BucketNotification(event), objects, detector.detect, SETTINGS, BUCKETS) for event in events]
    return [photo for photo in found if photo is not None]


def test_every_event_gets_its_outcome_in_the_same_order(detector: PhotoDetector) -> None:
    objects = store(bad=b"hello, I am no picture", dot=pixel(), face=sample_photos(PORTRAIT)[0].read_bytes())
    results = run(objects, detector, *(event(f"{name}.jpg") for name in ("bad", "dot", "missing", "face")))
    assert [result.photo.key for result in results] == ["bad.jpg", "dot.jpg", "missing.jpg", "face.jpg"]
    assert [len(result.faces) for result in results] == [0, 0, 0, 1]
    bad, dot, missing, face = results
    assert (bad.outcome, bad.reason) == (Outcome.UNREADABLE, "not an image: text")
    assert (missing.outcome, missing.reason) == (Outcome.UNREADABLE, "photos/missing.jpg: no such object")
    assert (dot.outcome, dot.reason, dot.photo.width, dot.photo.height) == (Outcome.DETECTED, None, 1, 1)
    assert (face.outcome, face.reason) == (Outcome.DETECTED, None)


def test_crops_are_stored_losslessly_under_the_key_that_the_event_names(detector: PhotoDetector) -> None:
    objects = store(a=sample_photos(PORTRAIT)[0].read_bytes())
    (result,) = run(objects, detector, event())
    (face,) = result.faces
    assert face.crop_key == ids.crop_key(face.face_id)
    assert face.face_id == ids.face_id(result.photo.image_id, version_of(SETTINGS), face.box)
    data = objects.get("faces", face.crop_key, LIMIT).data
    with Image.open(io.BytesIO(data)) as crop:
        assert (crop.format, crop.size, crop.mode) == ("PNG", (160, 160), "RGB")


def test_detecting_again_changes_nothing(detector: PhotoDetector) -> None:
    objects = store(a=sample_photos(PORTRAIT)[0].read_bytes())
    first = run(objects, detector, event())
    crops = {info.key: info.etag for info in objects.list("faces")}
    assert run(objects, detector, event()) == first
    assert {info.key: info.etag for info in objects.list("faces")} == crops


def test_the_event_names_the_content_where_it_can_and_the_store_where_not(detector: PhotoDetector) -> None:
    objects = store(a=pixel())
    stored = objects.get("photos", "a.jpg", LIMIT).etag
    (said,), (read,) = run(objects, detector, event(etag="abc")), run(objects, detector, event())
    assert (said.photo.etag, read.photo.etag) == ("abc", stored)
    assert read.photo.image_id == ids.image_id(read.photo.object_id, None, stored)


@pytest.mark.parametrize("said", [0, 10, 300, 2**63 - 1])
@pytest.mark.parametrize("etag", [None, "abc"])
def test_a_photograph_that_is_too_large_is_unreadable_whatever_its_event_says(said: int, etag: str | None) -> None:
    small = DetectorSettings(max_bytes=100)
    told = BucketNotification(event(size=said, etag=etag))
    result = detect(told, store(a=bytes(300)), lambda _: pytest.fail("it was decoded"), small, BUCKETS)
    assert result is not None
    assert (result.outcome, result.reason) == (Outcome.UNREADABLE, "300 bytes, at most 100 allowed")
    assert (result.passing, result.photo.size) == (False, 300)


@pytest.mark.parametrize("said", [0, 10, SETTINGS.max_bytes + 1, 2**63 - 1])
def test_a_photograph_has_the_size_that_was_read_and_not_that_which_was_told(
    detector: PhotoDetector, said: int
) -> None:
    (result,) = run(store(a=pixel()), detector, event(size=said))
    assert (result.outcome, result.photo.size) == (Outcome.DETECTED, len(pixel()))


def dropped(reason: Drop) -> float:
    return REGISTRY.get_sample_value("facestream_dropped_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize("removed", [False, True])
@pytest.mark.parametrize("reason", [Drop.OTHER_BUCKET, Drop.OTHER_CHANGE, Drop.NO_PHOTOGRAPH])
def test_what_is_dropped_is_counted_and_the_store_is_not_asked(reason: Drop, *, removed: bool) -> None:
    class Untouched(FailingStore):
        def exists(self, bucket: str, key: str) -> bool:
            pytest.fail(f"{bucket}/{key} was asked for")

    before = dropped(reason)
    notice = BucketNotification(event(removed=removed), dropped=reason, is_doubtful=removed)
    objects = Untouched(AssertionError("it was read"))
    assert detect(notice, objects, lambda _: pytest.fail("it was decoded"), SETTINGS, BUCKETS) is None
    assert dropped(reason) == before + 1


def test_a_refused_object_is_unreadable_with_the_reason_of_the_store(detector: PhotoDetector) -> None:
    (result,) = run(FailingStore(ObjectRefused("no permission")), detector, event())
    assert (result.outcome, result.reason, result.photo.etag) == (Outcome.UNREADABLE, "no permission", "")
    assert result.passing


def test_what_the_bytes_are_does_not_pass_and_want_of_memory_does() -> None:
    def find(reason: Unreadable) -> FacesDetected:
        def failing(_: bytes) -> PhotoDetections:
            raise reason

        found = detect(BucketNotification(event()), store(a=pixel()), failing, SETTINGS, BucketSettings())
        assert found is not None
        return found

    assert not find(Unreadable("truncated JPEG")).passing
    assert find(Undecoded("not enough memory to decode it")).passing


def test_a_store_that_does_not_answer_stops_the_batch(detector: PhotoDetector) -> None:
    with pytest.raises(Transient):
        run(FailingStore(Transient("no answer")), detector, event())


def test_a_removed_photograph_is_told_without_reading_it(detector: PhotoDetector) -> None:
    (result,) = run(FailingStore(AssertionError("it was read")), detector, event(removed=True))
    assert (result.outcome, result.photo.key, result.faces) == (Outcome.REMOVED, "a.jpg", ())
    assert result.photo.object_id == ids.object_id("photos", "a.jpg")


_WHY = Unreadable("why")


def test_what_was_not_read_is_named_by_its_moment() -> None:
    first = unreadable(event(size=1), "", _WHY)
    later = event(size=1).model_copy(update={"occurred_at": NOON.replace(hour=13)})
    assert unreadable(event(size=1), "", _WHY) == first
    assert unreadable(later, "", _WHY).photo.image_id != first.photo.image_id
    assert unreadable(later, "", _WHY).photo.object_id == first.photo.object_id


def test_a_picture_of_noise_does_not_stop_the_batch(detector: PhotoDetector) -> None:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    (result,) = run(store(a=file.getvalue()), detector, event())
    assert result.outcome is Outcome.DETECTED
