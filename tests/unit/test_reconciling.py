"""`facestream reconcile`: the law that after it the stream has heard of every difference, and of nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cli.jobs.reconciling import Report, reconcile
from shared.adapters.memory import MemoryObjectStore, MemoryRepository
from shared.bucket_notification import bucket_events
from shared.events import BucketEvent, Outcome
from shared.ids import image_id, object_id
from shared.notices import removed
from shared.ports import ConsumedRecord, ObjectInfo, ProducedRecord
from shared.records import ImageRecord

_NOW = datetime.now(UTC)


class Heard:
    """Keeps what is announced."""

    def __init__(self) -> None:
        self.events: list[BucketEvent] = []

    def write(self, records: Sequence[ProducedRecord]) -> None:
        for record in records:
            consumed = ConsumedRecord(record.topic, 0, 0, record.key, record.value, {}, _NOW)
            self.events += bucket_events(consumed)
            assert record.key == f"{self.events[-1].bucket}/{self.events[-1].key}".encode()


def image(
    key: str, data: bytes, outcome: Outcome = Outcome.DETECTED, sequencer: str | None = None, bucket: str = "photos"
) -> ImageRecord:
    store = MemoryObjectStore()
    store.put("b", "k", data, "")
    etag, its_object = store.get("b", "k").etag, object_id(bucket, key)
    return ImageRecord(
        image_id=image_id(its_object, None, f"{etag} {outcome}"),
        object_id=its_object,
        bucket=bucket,
        key=key,
        etag=etag,
        size=len(data),
        uploaded_at=_NOW,
        outcome=outcome,
        sequencer=sequencer,
    )


def reconciled(
    objects: MemoryObjectStore, images: Sequence[ImageRecord], grace: timedelta = timedelta(0)
) -> tuple[Report, list[BucketEvent]]:
    repository, heard = MemoryRepository(), Heard()
    repository.save_images(images)
    return reconcile(objects, repository, "photos", heard, grace), heard.events


_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
_CONTENTS = st.dictionaries(_KEYS, st.sampled_from([b"", b"one", b"two"]))
_KNOWN = st.lists(
    st.builds(
        image,
        _KEYS,
        st.sampled_from([b"", b"one", b"two"]),
        st.sampled_from(Outcome),
        st.sampled_from([None, "0F"]),
        st.sampled_from(["photos", "other"]),
    )
)


@given(_CONTENTS, _KNOWN, st.data())
def test_every_difference_is_announced_once_and_nothing_else(
    contents: dict[str, bytes], known: list[ImageRecord], data: st.DataObject
) -> None:
    if known:  # half of the keys on both sides, or they would seldom meet
        contents = contents | {data.draw(st.sampled_from(known)).key: b"one"}
    objects = MemoryObjectStore()
    for key, value in contents.items():
        objects.put("photos", key, value, "image/jpeg")
    report, events = reconciled(objects, known)

    living = {
        (found.key, found.etag) for found in known if found.bucket == "photos" and found.outcome is not Outcome.REMOVED
    }
    there = {(info.key, info.etag) for info in objects.list("photos")}
    uploaded = [(event.key, event.etag) for event in events if not event.removed]
    gone = [event.key for event in events if event.removed]
    assert sorted(uploaded) == sorted(there - living)
    assert sorted(gone) == sorted({key for key, _ in living} - set(contents))
    assert (report.objects, report.without_outcome, report.gone) == (len(contents), len(uploaded), len(gone))


def test_a_young_object_is_left_alone_since_its_notification_may_be_on_its_way() -> None:
    objects = MemoryObjectStore()
    objects.put("photos", "new.jpg", b"one", "image/jpeg")
    report, events = reconciled(objects, [], timedelta(minutes=5))
    assert (report.young, report.without_outcome, events) == (1, 0, [])


def test_what_the_stream_learns_while_the_bucket_is_listed_is_not_announced() -> None:
    known, repository, heard = image("a.jpg", b"one"), MemoryRepository(), Heard()

    class Slow(MemoryObjectStore):
        def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
            yield from super().list(bucket, prefix)
            repository.save_images([known])

    objects = Slow()
    objects.put("photos", "a.jpg", b"one", "image/jpeg")
    reconcile(objects, repository, "photos", heard, timedelta(0))
    assert not heard.events


def test_what_is_uploaded_while_the_bucket_is_listed_is_not_announced_as_removed() -> None:
    class Late(MemoryObjectStore):
        listings = 0

        def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
            self.listings += 1
            return super().list(bucket, prefix) if self.listings > 1 else iter(())

    objects = Late()
    objects.put("photos", "a.jpg", b"one", "image/jpeg")
    _, events = reconciled(objects, [image("a.jpg", b"one")])
    assert not events


def test_a_removal_is_later_than_the_image_and_earlier_than_any_upload_after_it() -> None:
    heard = Heard()
    heard.write([removed(image("a.jpg", b"one", sequencer="18EAF5534A9973FF"), _NOW)])
    assert heard.events[0].sequencer == "18EAF5534A997400"


def test_an_object_that_is_back_without_an_upload_is_announced_later_than_its_removal() -> None:
    objects = MemoryObjectStore()
    objects.put("photos", "a.jpg", b"one", "image/jpeg")
    mark = image("a.jpg", b"", Outcome.REMOVED, sequencer="18EAF5534A9973FF")
    mark = replace(mark, uploaded_at=_NOW + timedelta(hours=1))
    _, (event,) = reconciled(objects, [mark])
    assert not event.removed
    assert event.sequencer == "18EAF5534A997400"
    assert event.occurred_at > mark.uploaded_at
