"""What is counted, and that its first event can be seen."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from shared.photos.photo_rule import PhotoRule
from shared.ports.objects import ObjectInfo
from shared.ports.streams import ConsumedRecord
from shared.stream.bucket_notifications import bucket_events, count
from shared.stream.notification_records import uploaded

_NOW = datetime(2026, 11, 24, tzinfo=UTC)


def consumed(value: bytes | None) -> ConsumedRecord:
    return ConsumedRecord("images.uploaded", 0, 0, b"photos/a", value, {}, _NOW)


def heard(value: bytes | None) -> None:
    for notice in bucket_events(consumed(value), "photos", PhotoRule()):
        count(notice)


def notices(source: str) -> float:
    value = REGISTRY.get_sample_value("facestream_bucket_notifications_total", {"source": source, "change": "written"})
    assert value is not None
    return value


@pytest.mark.parametrize("event_source", ["minio:s3", "aws:s3", None])
def test_a_notice_of_the_bucket_and_one_of_the_reconciler_are_counted_apart(event_source: str | None) -> None:
    ours = uploaded("photos", ObjectInfo("a", 4, _NOW, "e")).value or b""
    body = json.loads(ours)
    body["Records"][0]["eventSource"] = event_source
    before = notices("bucket"), notices("reconciler")
    heard(ours)
    assert (notices("bucket"), notices("reconciler")) == (before[0], before[1] + 1)
    heard(json.dumps(body).encode())
    assert (notices("bucket"), notices("reconciler")) == (before[0] + 1, before[1] + 1)


def test_a_photograph_that_is_tried_again_is_not_counted_as_a_lost_notification() -> None:
    before = notices("reconciler"), notices("retry")
    heard(uploaded("photos", ObjectInfo("a", 4, _NOW, "e"), retry=True).value)
    assert (notices("reconciler"), notices("retry")) == (before[0], before[1] + 1)


def test_what_has_not_happened_yet_stands_at_zero() -> None:
    script = "import shared.metrics; from prometheus_client import generate_latest; print(generate_latest().decode())"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    for series in (
        'facestream_dead_letters_total{error="Poison"}',
        'facestream_bucket_notifications_total{change="removed",source="reconciler"}',
        'facestream_bucket_notifications_total{change="written",source="retry"}',
        'facestream_photos_total{outcome="unreadable"}',
        'facestream_faces_total{verdict="blurry"}',
        'facestream_assignments_total{result="unknown"}',
        'facestream_dropped_total{reason="duplicate"}',
        'facestream_dropped_total{reason="not_a_photograph"}',
        'facestream_dropped_total{reason="other_bucket"}',
        'facestream_dropped_total{reason="other_change"}',
        'facestream_dropped_total{reason="still_there"}',
        'facestream_reclusterings_total{outcome="failed"}',
        'facestream_clusters_changed_total{change="merged"}',
    ):
        assert f"{series} 0.0\n" in told
