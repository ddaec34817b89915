"""The lag that a service tells, and how many processes the shipped triggers ask for by the offsets that it commits."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest

from tests.support.brokers import consume, eventually
from tools.keda.cases import PARTITIONS, Backlog
from tools.keda.formula import Offsets, Scaler, Scaling, shipped

pytestmark = pytest.mark.slow

_EACH = 2_000  # records of a partition: 24,000 altogether
_SCALINGS = {scaling.service: scaling for scaling in shipped()}


@pytest.fixture(scope="module")
def looks(kafka: str) -> Sequence[tuple[int, dict[int, Offsets]]]:
    """Give the records that were left and the offsets at several moments, while one member works off a backlog."""
    unique = uuid4().hex[:12]
    backlog = Backlog(kafka, f"scaled-{unique}", f"scaled-{unique}", transactional=True)
    backlog.put(1)
    backlog.done()
    idle = dict(backlog.offsets())
    backlog.put(_EACH)
    found = [(0, idle), (PARTITIONS * _EACH, dict(backlog.offsets()))]
    for number, _ in enumerate(backlog.work()):
        if number % 5 == 4:
            found.append((_left(offsets := dict(backlog.offsets())), offsets))
    found.append((0, dict(backlog.offsets())))
    return found


def _left(offsets: dict[int, Offsets]) -> int:
    """Return how many records are unread: all that is left but the mark of the transaction behind them."""
    return sum(it.end - (it.committed or 0) - 1 for it in offsets.values())


def test_the_lag_that_a_service_tells_is_0_where_all_is_read_though_marks_and_aborted_records_follow(
    kafka: str,
) -> None:
    unique = uuid4().hex[:12]
    backlog = Backlog(kafka, f"told-{unique}", f"told-{unique}", transactional=True)
    for _ in range(2):
        backlog.put(3)
    backlog.put(4, abort=True)
    with closing(backlog.join()) as stream:
        left = 2 * 3 * PARTITIONS
        while left:
            consumed = consume(stream, 1)
            stream.commit(consumed, [])
            left -= len(consumed)
        eventually(lambda: not stream.consume(1, 0.2) and stream.lag() == stream_lag(backlog, 0))
    # Whoever asks for the group's offsets from outside sees the mark, the aborted records and their mark.
    assert {it.end - (it.committed or 0) for it in backlog.offsets().values()} == {1 + 4 + 1}
    with closing(backlog.join("two")) as successor:
        eventually(lambda: not successor.consume(1, 0.2) and successor.is_assigned())
        for _ in range(10):  # nothing but marks is fetched
            assert not successor.consume(1, 0.2)
            assert set(successor.lag().values()) <= {0}


def stream_lag(backlog: Backlog, records: int) -> dict[tuple[str, int], int]:
    return {(backlog.topic, number): records for number in range(PARTITIONS)}


def wanted(scaling: Scaling, looks: Sequence[tuple[int, dict[int, Offsets]]]) -> list[int]:
    scaler = Scaler(scaling.trigger)
    return [scaling.processes(scaler.look(offsets)) for _, offsets in looks]


def test_the_client_works_off_one_partition_after_the_other(looks: Sequence[tuple[int, dict[int, Offsets]]]) -> None:
    moved = [
        sum(before[number].committed != after[number].committed for number in after)
        for (_, before), (_, after) in pairwise(looks[2:-1])
    ]
    assert len(moved) > 5
    assert max(moved) < PARTITIONS / 2  # most seem to stand still, and do not


@pytest.mark.parametrize("service", _SCALINGS)
def test_a_backlog_on_one_member_asks_for_as_many_processes_as_it_is_worth(
    service: str, looks: Sequence[tuple[int, dict[int, Offsets]]]
) -> None:
    scaling = _SCALINGS[service]
    for (left, offsets), processes in zip(looks, wanted(scaling, looks), strict=True):
        behind = sum(it.end - (it.committed or 0) > 1 for it in offsets.values())
        if left >= scaling.most * scaling.threshold and behind >= scaling.most:
            assert processes == scaling.most
        assert processes >= min(scaling.most, behind, left // scaling.threshold)


@pytest.mark.parametrize("service", _SCALINGS)
def test_marks_of_transactions_alone_ask_for_no_more_than_the_least(
    service: str, looks: Sequence[tuple[int, dict[int, Offsets]]]
) -> None:
    scaling = _SCALINGS[service]
    idle = looks[0][1]
    assert [it.end - (it.committed or 0) for it in idle.values()] == [1] * PARTITIONS  # what admin tools call a lag
    # As many marks behind the last record of each partition as there may be processes that write to it at once.
    worst = {number: replace(it, end=it.end + scaling.most - 1) for number, it in idle.items()}
    assert wanted(scaling, [(0, idle), (0, idle)]) == [scaling.least] * 2
    if service != "detector":  # what it reads is written by the object store, almost all, without transactions
        assert wanted(scaling, [(0, worst)] * 2) == [scaling.least] * 2


def test_with_lag_left_out_that_does_not_move_a_backlog_asks_for_one_process(
    looks: Sequence[tuple[int, dict[int, Offsets]]],
) -> None:
    """What the setting would do that the shipped triggers must not have."""
    for scaling in _SCALINGS.values():
        other = replace(scaling, trigger={**scaling.trigger, "excludePersistentLag": "true"})
        assert max(wanted(other, looks[1:])[1:]) < scaling.most / 2
