"""What a real MinIO tells of a bucket and does not, with versions and without, and what is made of it."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from minio.commonconfig import SnowballObject
from minio.versioningconfig import VersioningConfig

from cli.reconciler.reconciler import Reconciler
from services.detector.settings import DetectorSettings
from services.detector.step import detect
from services.detector.types import PhotoDetections
from shared.adapters.kafka.records import consumed_record
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.minio.store import MinioStore
from shared.domain.events import BucketEvent, Outcome
from shared.domain.ids import image_id, object_id
from shared.domain.records import ImageRecord
from shared.errors import Unreadable
from shared.photos.photo_rule import PhotoRule
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.stream.bucket_notifications import BucketNotification, bucket_events
from tests.support.fixtures import needed
from tools.stack import MinioServer
from tools.stack.minio import settings_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(servers: Path, kafka: str, topic: str) -> Iterator[MinioServer]:
    with needed():
        server = MinioServer(servers / uuid4().hex[:8], kafka=kafka, topic=topic).start()
    client = server.client()
    client.make_bucket("photos")
    server.notify("photos")
    yield server
    server.stop()


class Bucket:
    """The bucket, and what it has told so far."""

    def __init__(self, server: MinioServer, consumer: Consumer) -> None:
        self.client = server.client()
        self.store = MinioStore(settings_of(server))
        self._consumer = consumer

    def put(self, content: bytes, key: str = "a.jpg") -> str | None:
        version: str | None = self.client.put_object("photos", key, BytesIO(content), len(content)).version_id
        return version

    def delete(self, version: str | None = None, key: str = "a.jpg") -> None:
        self.client.remove_object("photos", key, version_id=version)

    def marker(self) -> str | None:
        listed = self.client.list_objects("photos", include_version=True)
        version: str | None = next(found.version_id for found in listed if found.is_delete_marker)
        return version

    def said(self) -> Sequence[BucketEvent]:
        """What it tells next, but for removals that the detector does not believe."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self._consumer.poll(0.5)
            if message and not message.error():
                notices = bucket_events(consumed_record(message), "photos", PhotoRule())
                return [notice.event for notice in notices if self._is_followed(notice)]
        pytest.fail("MinIO said nothing more")

    def _is_followed(self, notice: BucketNotification) -> bool:
        def find(_: bytes) -> PhotoDetections:
            raise Unreadable

        return detect(notice, self.store, find, DetectorSettings(), BucketSettings()) is not None


@pytest.fixture
def bucket(server: MinioServer, kafka: str, topic: str) -> Iterator[Bucket]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    yield Bucket(server, consumer)
    consumer.close()


def test_an_object_is_gone_by_a_delete_marker_and_no_other_removal_but_that_of_its_version_counts(
    bucket: Bucket,
) -> None:
    bucket.put(b"before versions")
    (before,) = bucket.said()
    assert before.version_id is None
    bucket.client.set_bucket_versioning("photos", VersioningConfig("Enabled"))
    first, second = bucket.put(b"1"), bucket.put(b"2")
    assert [event.version_id for _ in range(2) for event in bucket.said()] == [first, second]
    bucket.delete("null")
    assert bucket.said() == []
    bucket.delete(first)
    (old,) = bucket.said()
    assert (old.removed, old.version_id) == (True, first)
    bucket.delete()
    (gone,) = bucket.said()
    assert (gone.removed, gone.version_id) == (True, None)
    bucket.delete(bucket.marker())
    assert bucket.said() == []
    bucket.delete(second)
    (last,) = bucket.said()
    assert (last.removed, last.version_id) == (True, second)


class Announced:
    """Takes what the reconciler announces."""

    def __init__(self) -> None:
        self.events: list[BucketEvent] = []

    def write(self, records: Sequence[ProducedRecord]) -> None:
        for record in records:
            place = ConsumedRecord(record.topic, 0, 0, record.key, record.value, {}, datetime.now(UTC))
            self.events += [notice.event for notice in bucket_events(place, "photos", PhotoRule())]


def announced(bucket: Bucket, known: Sequence[BucketEvent]) -> list[BucketEvent]:
    """Return what the reconciler announces where of each of these uploads an outcome is recorded."""
    repository, writer = MemoryRepository(), Announced()
    repository.save_images([_image(event) for event in known])
    Reconciler(
        objects=bucket.store,
        repository=repository,
        bucket="photos",
        writer=writer,
        rule=PhotoRule(),
        grace=timedelta(0),
        largest_loss=1,
    ).run()
    return writer.events


def _image(event: BucketEvent) -> ImageRecord:
    its_object = object_id(event.bucket, event.key)
    return ImageRecord(
        image_id=image_id(its_object, None, event.etag or ""),
        object_id=its_object,
        bucket=event.bucket,
        key=event.key,
        etag=event.etag or "",
        size=event.size,
        uploaded_at=event.occurred_at,
        outcome=Outcome.DETECTED,
        sequencer=event.sequencer,
    )


def test_a_prefix_that_is_deleted_with_force_is_told_by_nobody_and_found_by_the_reconciler(bucket: Bucket) -> None:
    for key in ("album/a.jpg", "album/b.jpg", "c.jpg"):
        bucket.put(b"1", key)
    uploads = [event for _ in range(3) for event in bucket.said()]
    bucket.client._execute("DELETE", "photos", "album", headers={"x-minio-force-delete": "true"})
    bucket.put(b"2", "d.jpg")
    (later,) = bucket.said()
    assert later.key == "d.jpg"
    assert [(event.removed, event.key) for event in announced(bucket, [*uploads, later])] == [
        (True, "album/a.jpg"),
        (True, "album/b.jpg"),
    ]


def test_a_delete_of_a_key_that_is_not_there_says_that_nothing_is_there(bucket: Bucket) -> None:
    bucket.delete(key="nowhere.jpg")
    (event,) = bucket.said()
    assert (event.key, event.removed, event.version_id) == ("nowhere.jpg", True, None)


def test_an_unpacked_archive_counts_as_old_as_the_files_in_it_and_the_reconciler_announces_it(bucket: Bucket) -> None:
    bucket.put(b"first")
    (first,) = bucket.said()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    bucket.client.upload_snowball_objects(
        "photos", [SnowballObject("a.jpg", data=BytesIO(b"unpacked"), length=8, mod_time=hour_ago)]
    )
    (unpacked,) = bucket.said()
    assert unpacked.key == first.key
    assert int(unpacked.sequencer or "0", 16) < int(first.sequencer or "0", 16)  # so it is dropped as outdated
    (again,) = announced(bucket, [first])
    assert (again.etag, again.removed) == (unpacked.etag, False)
    assert int(again.sequencer or "0", 16) > int(first.sequencer or "0", 16)
