"""What the assigner does ahead changes nothing of what it says."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assigner.processor import Assigner
from shared.adapters.memory.repository import MemoryObjectStore, MemoryRepository
from shared.domain.matching import AssignerSettings
from shared.domain.topics import FACES_EMBEDDED
from shared.errors import Poison
from shared.ports.streams import ConsumedRecord
from shared.settings import BucketSettings
from shared.stream.photo_processor import photo_record
from tests.support.synthetic_faces import unit
from tools.synthetic_events import activate_clusters, embedded_photos

_MEDOIDS = unit(np.random.default_rng(0).standard_normal((20, 128)))
_NOW = datetime(2026, 11, 24, tzinfo=UTC)


def consumed(number: int) -> list[ConsumedRecord]:
    source = ConsumedRecord("faces.screened", 0, 0, None, None, {}, _NOW)
    made = [photo_record("embedder", FACES_EMBEDDED, event, source) for event in embedded_photos(number, _MEDOIDS)]
    return [
        ConsumedRecord(record.topic, place % 3, place // 3, record.key, record.value, record.headers, _NOW)
        for place, record in enumerate(made)
    ]


def assigner(*, with_people: bool = True) -> Assigner:
    repository = MemoryRepository()
    if with_people:
        activate_clusters(repository, _MEDOIDS)
    found = Assigner(repository, MemoryObjectStore(), AssignerSettings(), BucketSettings())
    found.prepare(lambda _: True)
    return found


_RECORDS = consumed(12)
_PLAIN = assigner().step(_RECORDS)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(_RECORDS), unique_by=lambda record: record.record_id))
def test_what_is_said_does_not_depend_on_what_was_begun_ahead(begun: Sequence[ConsumedRecord]) -> None:
    ahead = assigner()
    ahead.ahead(begun)
    assert ahead.step(_RECORDS) == _PLAIN


def test_faces_that_were_searched_for_among_people_of_before_are_searched_for_again() -> None:
    late = assigner(with_people=False)
    late.ahead(_RECORDS)
    late.ahead.events(_RECORDS[:1])  # waits until it is done
    activate_clusters(late._repository, _MEDOIDS)
    late._active.is_still(late._active.known(), ())
    assert late.step(_RECORDS) == _PLAIN


def test_what_is_held_no_more_is_forgotten() -> None:
    ahead = assigner().ahead
    ahead(_RECORDS)
    ahead(_RECORDS[9:])
    assert set(ahead._begun) == {record.record_id for record in _RECORDS[9:]}
    ahead(())
    assert not ahead._begun


def test_a_record_that_cannot_be_decoded_is_poison_in_its_turn_and_not_before() -> None:
    broken = ConsumedRecord(FACES_EMBEDDED.name, 0, 99, b"key", b"{", {}, _NOW)
    ahead = assigner()
    ahead.ahead([*_RECORDS, broken])
    assert ahead.step(_RECORDS) == _PLAIN
    with pytest.raises(Poison):
        ahead.step([broken])


def test_nothing_is_known_of_faces_that_nobody_has_searched_for() -> None:
    ahead = assigner()
    ahead.ahead(_RECORDS[:3])
    ahead.ahead.events(_RECORDS[:6])
    group = ahead._active.known()
    assert ahead.ahead.nearest([_RECORDS[5].record_id], group) is None
    found = ahead.ahead.nearest([record.record_id for record in _RECORDS[:3]], group)
    assert found is not None
    assert np.isfinite(found.similarity).all()
