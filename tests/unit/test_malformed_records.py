"""Whatever a topic or a bucket holds: a service goes on, and of each record is said what became of it."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from services.assigner.processor import AssignerProcessor
from services.detector.detections import Detection, PhotoDetections
from services.detector.settings import DetectorSettings
from services.detector.step import detect
from services.embedder.step import Cropped, crop, embed
from services.quality.settings import QualitySettings
from services.quality.step import screen
from shared.adapters.folder.store import FolderStore
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import (
    Box,
    FacesDetected,
    FacesEmbedded,
    FacesScreened,
    ImageProcessed,
    Outcome,
    PhotoEvent,
    Point,
)
from shared.domain.matching import AssignerSettings
from shared.domain.topics import (
    FACES_ASSIGNED,
    FACES_DETECTED,
    FACES_EMBEDDED,
    FACES_SCREENED,
    IMAGES_PROCESSED,
    IMAGES_UPLOADED,
)
from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectStore
from shared.ports.streams import ProducedRecord
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification, bucket_events
from shared.stream.cloudevents import one_event
from shared.stream.photo_processor import PhotoProcessor
from tests.support.malformed_records import (
    HEADERS,
    NOTIFICATIONS,
    PHOTO_EVENTS,
    S3_TEST,
    Done,
    as_json,
    dropped,
    photo_event,
    worked,
)
from tests.support.s3_stub import s3_stub

_BUCKETS = BucketSettings()
_LIMITED = DetectorSettings(max_bytes=200)
_STORES = ("memory", "folder", "minio")


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def png() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((16, 16), 90).convert("RGB").save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module", params=_STORES)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    folder = tmp_path_factory.mktemp("objects")
    if request.param == "minio":
        store: ObjectStore = s3_stub()[0]
    elif request.param == "folder":
        store = FolderStore({name: folder / name for name in ("photos", "faces")})
    else:
        store = MemoryObjectStore()
    store.put("photos", "good.jpg", b"good", "image/jpeg")
    store.put("photos", "large.jpg", bytes(300), "image/jpeg")
    store.put("faces", "crops/good.png", png(), "image/png")
    return store


def found(data: bytes) -> PhotoDetections:
    box, corner = Box(left=0, top=0, width=len(data), height=1), Point(x=0, y=0)
    return PhotoDetections("test", 1, 1, (Detection(box, 1.0, (corner,) * 5, b"crop"),))


def detecting(objects: ObjectStore, records: Sequence[ProducedRecord], threads: ThreadPoolExecutor, batch: int) -> Done:
    def detected(notice: BucketNotification) -> FacesDetected | None:
        return detect(notice, objects, found, _LIMITED, _BUCKETS)

    read = partial(bucket_events, bucket="photos", rule=PhotoRule())
    step = PhotoProcessor(
        service="detector", parse=read, load=detected, finish=list, output=FACES_DETECTED, threads=threads
    )
    return worked(IMAGES_UPLOADED.name, records, step, [FACES_DETECTED.name], batch=batch)


def notification(key: str, bucket: str = "photos", name: str = "s3:ObjectCreated:Put", **facts: object) -> bytes:
    s3 = {"bucket": {"name": bucket}, "object": {"key": key, **facts}}
    return as_json({"Records": [{"eventName": name, "eventTime": "2026-11-24T12:00:00.000Z", "s3": s3}]})


def uploaded(value: bytes | None, headers: Mapping[str, bytes] | None = None) -> ProducedRecord:
    return ProducedRecord(IMAGES_UPLOADED.name, b"photos/key", value, headers or {})


_GOOD = uploaded(notification("good.jpg", sequencer="0A"))


@given(value=NOTIFICATIONS, headers=HEADERS, batch=st.integers(1, 3))
@example(notification("a.jpg", "payroll"), {}, 1)
@example(notification("a.jpg", "Not A Name"), {}, 1)
@example(notification("a.jpg", "Not A Name", "s3:ObjectRemoved:DeleteMarkerCreated"), {}, 1)
@example(notification("large.jpg", size=10), {}, 1)
@example(notification("large.jpg", size=-5), {}, 1)
@example(notification("good.jpg", size=10**30), {}, 1)
@example(notification("x" * 2000), {}, 1)
@example(notification(""), {}, 1)
@example(S3_TEST, {}, 1)
def test_whatever_notification_comes_the_detector_goes_on_and_says_what_became_of_it(
    objects: ObjectStore, threads: ThreadPoolExecutor, value: bytes | None, headers: Mapping[str, bytes], batch: int
) -> None:
    before = dropped()
    done = detecting(objects, [uploaded(value, headers), _GOOD], threads, batch)
    assert done.committed == 2
    last = FacesDetected.model_validate_json(done.produced[-1].value or b"")
    assert (last.photo.key, last.outcome, len(last.faces)) == ("good.jpg", Outcome.DETECTED, 1)
    others = len(done.produced) - 1
    if done.letters:
        (letter,) = done.letters
        assert (others, letter.value) == (0, value)
    else:
        assert others + dropped() - before == len(json.loads(value or b"")["Records"])


@pytest.mark.parametrize(
    "name", ["s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated"]
)
@pytest.mark.parametrize("bucket", ["faces", "payroll", "Not A Name", "", "192.168.0.1"])
def test_a_notice_of_another_bucket_comes_to_nothing_and_is_counted(
    objects: ObjectStore, threads: ThreadPoolExecutor, bucket: str, name: str
) -> None:
    before = dropped()
    done = detecting(objects, [uploaded(notification("good.jpg", bucket, name)), _GOOD], threads, 1)
    assert (len(done.produced), done.letters, dropped() - before) == (1, [], 1)


@dataclass(frozen=True)
class Plain:
    """An embedder that says the same of every crop."""

    input_size: int = 8
    model_id: str = "model"

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.ones((len(crops), 1), np.float32)


def screening(objects: ObjectStore, records: Sequence[ProducedRecord], threads: ThreadPoolExecutor) -> Done:
    def screened(photo: FacesDetected) -> FacesScreened:
        return screen(photo, objects, QualitySettings(), _BUCKETS)

    step = PhotoProcessor(
        service="quality",
        parse=one_event(FacesDetected),
        load=screened,
        finish=list,
        output=FACES_SCREENED,
        threads=threads,
    )
    return worked(FACES_DETECTED.name, records, step, [FACES_SCREENED.name])


def embedding(objects: ObjectStore, records: Sequence[ProducedRecord], threads: ThreadPoolExecutor) -> Done:
    def cropped(photo: FacesScreened) -> Cropped:
        return crop(photo, objects, 8, _BUCKETS)

    def embedded(photos: Sequence[Cropped]) -> Sequence[FacesEmbedded]:
        return embed(photos, Plain())  # type: ignore[arg-type]  # it has all that is asked of an embedder

    step = PhotoProcessor(
        service="embedder",
        parse=one_event(FacesScreened),
        load=cropped,
        finish=embedded,
        output=FACES_EMBEDDED,
        threads=threads,
    )
    return worked(FACES_SCREENED.name, records, step, [FACES_EMBEDDED.name])


def assigning(objects: ObjectStore, records: Sequence[ProducedRecord], _threads: ThreadPoolExecutor) -> Done:
    assigner = AssignerProcessor(
        repository=MemoryRepository(),
        objects=objects,
        settings=AssignerSettings(),
        crops=_BUCKETS.faces,
        is_committed=lambda _: True,
    )
    return worked(
        FACES_EMBEDDED.name,
        records,
        assigner,
        [FACES_ASSIGNED.name, IMAGES_PROCESSED.name],
    )


Working = Callable[[ObjectStore, Sequence[ProducedRecord], ThreadPoolExecutor], Done]
_SERVICES: Mapping[str, tuple[Working, str]] = {
    "quality": (screening, FACES_DETECTED.name),
    "embedder": (embedding, FACES_SCREENED.name),
    "assigner": (assigning, FACES_EMBEDDED.name),
}


def removal_of(value: bytes | None) -> bytes:
    """Return the event that the photograph of an event is gone, as far as that says which one it is."""
    event = photo_event("odd", outcome="removed", faces=[])
    try:
        said: Any = json.loads(value or b"")
        event["photo"]["object_id"] = said["photo"]["object_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    event["photo"] |= {"sequencer": "F" * 3000, "uploaded_at": "2026-11-24T13:00:00Z"}
    return as_json(event)


@pytest.mark.parametrize("service", _SERVICES)
@given(value=PHOTO_EVENTS, headers=HEADERS)
@example(as_json(photo_event("odd", outcome="removed", faces=[])), {})
def test_whatever_event_comes_a_service_goes_on_and_says_what_became_of_it(
    service: str, objects: ObjectStore, threads: ThreadPoolExecutor, value: bytes | None, headers: Mapping[str, bytes]
) -> None:
    work, topic = _SERVICES[service]
    good = as_json(photo_event("good"))
    # What was dropped, replaced and removed is erased after the commit: so the odd one comes twice, and goes.
    values = [value, value, removal_of(value), good]
    odd = [ProducedRecord(topic, b"k", each, headers if at < 2 else {}) for at, each in enumerate(values)]
    before = dropped()
    done = work(objects, odd, threads)
    assert done.committed == len(values)
    said = [record for record in done.produced if record.value is not None and record.topic != FACES_ASSIGNED.name]
    last = PhotoEvent.model_validate_json(said[-1].value or b"")
    assert (last.photo.key, last.outcome) == ("good", Outcome.DETECTED)
    assert len(said) + len(done.letters) + dropped() - before == len(values)


def test_a_face_of_a_good_photograph_is_followed_to_the_end_beside_odd_ones(threads: ThreadPoolExecutor) -> None:
    objects = MemoryObjectStore()
    objects.put("faces", "crops/good.png", png(), "image/png")
    (screened,) = screening(
        objects, [ProducedRecord(FACES_DETECTED.name, b"", as_json(photo_event("good")), {})], threads
    ).produced
    (embedded,) = embedding(objects, [ProducedRecord(FACES_SCREENED.name, b"", screened.value, {})], threads).produced
    assert FacesEmbedded.model_validate_json(embedded.value or b"").faces[0].vector is not None
    said = assigning(objects, [ProducedRecord(FACES_EMBEDDED.name, b"", embedded.value, {})], threads).produced
    assert ImageProcessed.model_validate_json(said[-1].value or b"").unknown == 1


@pytest.mark.parametrize("key", ["crops/\x01.png", "crops//a.png", "x" * 256, "a\rb"])
def test_a_crop_of_an_impossible_key_is_erased_as_one_that_is_not_there_and_no_other_is(
    threads: ThreadPoolExecutor, key: str
) -> None:
    objects, server = s3_stub()
    server.objects["faces/a\nb"] = b"of somebody else"
    event = photo_event("odd")
    event["faces"][0]["crop_key"] = key
    values = [as_json(event), removal_of(as_json(event)), as_json(photo_event("good"))]
    done = assigning(objects, [ProducedRecord(FACES_EMBEDDED.name, b"k", value, {}) for value in values], threads)
    assert (done.committed, done.letters) == (3, [])
    assert "faces/a\nb" in server.objects
