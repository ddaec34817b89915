"""The laws of the downstream example: replay, tombstones, compaction and death change nothing of its table."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.downstream_example import TABLES, apply, opened
from tests.operators import event_bytes

if TYPE_CHECKING:
    from confluent_kafka import Message


@dataclass(frozen=True)
class Said:
    """What the example uses of a message."""

    face: str
    at: int
    body: bytes | None

    def key(self) -> bytes:
        return self.face.encode()

    def value(self) -> bytes | None:
        return self.body

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at


def _body(face: str, person: str | None) -> bytes:
    said = json.loads(event_bytes("FaceAssigned.arrived"))
    return json.dumps({**said, "face_id": face, "key": f"{face[0]}.jpg", "cluster_id": person}).encode()


# Few faces of few photographs and people, so that they meet often; None is a tombstone.
_FACES = st.sampled_from(["a1", "a2", "b1", "c1"])
_SAYINGS = st.lists(st.tuples(_FACES, st.sampled_from(["tombstone", "unknown", "ann", "ben"])), max_size=30)
_HISTORIES = _SAYINGS.map(
    lambda sayings: [
        Said(face, at, None if who == "tombstone" else _body(face, None if who == "unknown" else who))
        for at, (face, who) in enumerate(sayings)
    ]
)


def _table() -> sqlite3.Connection:
    table = sqlite3.connect(":memory:")
    table.executescript(TABLES)
    return table


def _apply(messages: Sequence[Said], table: sqlite3.Connection) -> None:
    apply(cast("Sequence[Message]", messages), table)


def _rows(table: sqlite3.Connection) -> list[Any]:
    return table.execute("SELECT * FROM faces ORDER BY face_id").fetchall()


def _after(*parts: Sequence[Said]) -> list[Any]:
    table = _table()
    for part in parts:
        _apply(part, table)
    return _rows(table)


def _truth(history: Sequence[Said]) -> Iterator[tuple[str, str, str | None]]:
    last = {said.face: said.body for said in history}
    for face, body in sorted(last.items()):
        if body is not None:
            yield face, f"photos/{face[0]}.jpg", json.loads(body)["cluster_id"]


@given(_HISTORIES)
def test_the_last_word_on_a_face_counts_and_a_tombstone_is_a_last_word(history: list[Said]) -> None:
    assert _after(history) == list(_truth(history))


@given(_HISTORIES, st.data())
def test_reading_again_from_any_earlier_place_changes_nothing(history: list[Said], data: st.DataObject) -> None:
    until = data.draw(st.integers(0, len(history)))
    again = data.draw(st.integers(0, until))
    assert _after(history[:until], history[again:]) == _after(history)


@given(_HISTORIES)
def test_a_topic_that_was_compacted_says_the_same(history: list[Said]) -> None:
    last = {said.face: said for said in history}
    compacted = [said for said in history if last[said.face] is said and said.body is not None]
    assert _after(compacted) == _after(history)


@given(_HISTORIES)
def test_what_fails_half_way_leaves_table_and_place_as_they_were(history: list[Said]) -> None:
    table = _table()
    _apply(history, table)
    before = list(table.iterdump())
    with pytest.raises(json.JSONDecodeError):
        _apply([Said("a1", 98, _body("a1", "eve")), Said("a2", 99, b"no json")], table)
    assert list(table.iterdump()) == before


def test_people_are_listed_once_for_each_photograph_and_unknown_faces_not_at_all() -> None:
    table = _table()
    _apply(
        [Said("a1", 0, _body("a1", "ann")), Said("a2", 1, _body("a2", None)), Said("b1", 2, _body("b1", "ann"))], table
    )
    assert table.execute("SELECT * FROM people").fetchall() == [("photos/a.jpg", "ann"), ("photos/b.jpg", "ann")]
    assert table.execute("SELECT part, next FROM places").fetchall() == [(0, 3)]


@pytest.mark.parametrize(("hours", "kept"), [(1, 1), (30, 0)])
def test_whoever_was_away_for_longer_than_tombstones_stay_begins_anew(hours: int, kept: int, tmp_path: Path) -> None:
    path = str(tmp_path / "people.db")
    with opened(path) as table:
        _apply([Said("a1", 0, _body("a1", "ann"))], table)
        seen = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")
        table.execute("UPDATE places SET seen = ?", [seen])
    table.close()
    again = opened(path)
    counts = again.execute("SELECT (SELECT count(*) FROM faces), (SELECT count(*) FROM places)").fetchone()
    again.close()
    assert counts == (kept, kept)
