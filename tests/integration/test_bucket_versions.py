"""What a real MinIO tells of a bucket that keeps versions, and what is made of it."""

import time
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from minio.versioningconfig import VersioningConfig

from services.detector.finding import Finding
from services.detector.settings import DetectorSettings
from services.detector.step import detect
from shared.adapters.kafka_records import consumed_record
from shared.adapters.minio import MinioStore
from shared.bucket_notification import Notice, bucket_events
from shared.errors import Unreadable
from shared.events import BucketEvent
from shared.photo_rule import PhotoRule
from shared.settings import BucketSettings
from tests.stack import MinioServer
from tests.stack.fixtures import needed, settings_of

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
        self._store = MinioStore(settings_of(server))
        self._consumer = consumer

    def put(self, content: bytes) -> str | None:
        version: str | None = self.client.put_object("photos", "a.jpg", BytesIO(content), len(content)).version_id
        return version

    def delete(self, version: str | None = None) -> None:
        self.client.remove_object("photos", "a.jpg", version_id=version)

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

    def _is_followed(self, notice: Notice) -> bool:
        def find(_: bytes) -> Finding:
            raise Unreadable

        return detect(notice, self._store, find, DetectorSettings(), BucketSettings()) is not None


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
