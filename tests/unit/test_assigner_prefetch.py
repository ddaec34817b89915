"""What the assigner does ahead changes nothing of what it says."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assigner.processor import AssignerProcessor
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.matching import AssignerSettings
from shared.domain.topics import FACES_EMBEDDED
from shared.errors import Poison
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.stream.cloudevents import EventEncoder
from tests.support.synthetic_faces import unit
from tools.synthetic_events import activate_clusters, embedded_photos

_MEDOIDS = unit(np.random.default_rng(0).standard_normal((20, 128)))
_NOW = datetime(2026, 11, 24, tzinfo=UTC)


def consumed(number: int) -> list[ConsumedRecord]:
    made = [
        EventEncoder("embedder", event.photo.uploaded_at).photo_record(FACES_EMBEDDED, event)
        for event in embedded_photos(number, _MEDOIDS)
    ]
    return [
        ConsumedRecord(record.topic, place % 3, place // 3, record.key, record.value, record.headers, _NOW)
        for place, record in enumerate(made)
    ]


def assigner(*, with_people: bool = True) -> AssignerProcessor:
    repository = MemoryRepository()
    if with_people:
        activate_clusters(repository, _MEDOIDS)
    found = AssignerProcessor(
        repository=repository,
        objects=MemoryObjectStore(),
        settings=AssignerSettings(),
        crops=BucketSettings().faces,
        is_committed=lambda _: True,
    )
    found.start()
    return found


_RECORDS = consumed(12)


@cache
def plain() -> Sequence[ProducedRecord]:
    """Return the output without prefetch. The first test that needs it computes it, not the collection of tests."""
    return assigner().process(_RECORDS)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(_RECORDS), unique_by=lambda record: record.record_id))
def test_what_is_said_does_not_depend_on_what_was_begun_ahead(begun: Sequence[ConsumedRecord]) -> None:
    ahead = assigner()
    ahead.prefetch(begun)
    assert ahead.process(_RECORDS) == plain()


def test_faces_that_were_searched_for_among_people_of_before_are_searched_for_again() -> None:
    late = assigner(with_people=False)
    late.prefetch(_RECORDS)
    late._prefetcher.events(_RECORDS[:1])  # waits until it is done
    activate_clusters(late._repository, _MEDOIDS)
    late._active.is_still(late._active.last_read(), ())
    assert late.process(_RECORDS) == plain()


def test_what_is_held_no_more_is_forgotten() -> None:
    ahead = assigner()._prefetcher
    ahead.prefetch(_RECORDS)
    ahead.prefetch(_RECORDS[9:])
    assert set(ahead._begun) == {record.record_id for record in _RECORDS[9:]}
    ahead.prefetch(())
    assert not ahead._begun


def test_a_record_that_cannot_be_decoded_is_poison_in_its_turn_and_not_before() -> None:
    broken = ConsumedRecord(FACES_EMBEDDED.name, 0, 99, b"key", b"{", {}, _NOW)
    ahead = assigner()
    ahead.prefetch([*_RECORDS, broken])
    assert ahead.process(_RECORDS) == plain()
    with pytest.raises(Poison):
        ahead.process([broken])


def test_nothing_is_known_of_faces_that_nobody_has_searched_for() -> None:
    ahead = assigner()
    ahead.prefetch(_RECORDS[:3])
    ahead._prefetcher.events(_RECORDS[:6])
    active = ahead._active.last_read()
    assert ahead._prefetcher.nearest([_RECORDS[5].record_id], active) is None
    found = ahead._prefetcher.nearest([record.record_id for record in _RECORDS[:3]], active)
    assert found is not None
    assert np.isfinite(found.similarity).all()
