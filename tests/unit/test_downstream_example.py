"""The laws of the downstream example: replay, tombstones, compaction, death and quiet change nothing of its table."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.downstream_example import TABLES, apply, begin_anew, has_reached, is_current, opened, swap
from tools.golden_events import event_bytes

if TYPE_CHECKING:
    from confluent_kafka import Message


@dataclass(frozen=True)
class Said:
    """What the example uses of a message; without a face it is the end of the partition."""

    face: str | None
    at: int
    body: bytes | None
    hours: float = 0  # since it was written
    part: int = 0

    def key(self) -> bytes:
        assert self.face is not None
        return self.face.encode()

    def error(self) -> object:
        return None if self.face else "the end"

    def timestamp(self) -> tuple[int, int]:
        return 1, int((datetime.now(UTC) - timedelta(hours=self.hours)).timestamp() * 1000)

    def value(self) -> bytes | None:
        return self.body

    def partition(self) -> int:
        return self.part

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


def _apply(messages: Sequence[Said], table: sqlite3.Connection, into: str = "") -> None:
    apply(cast("Sequence[Message]", messages), table, into)


def _rows(table: sqlite3.Connection) -> list[Any]:
    return table.execute("SELECT * FROM faces ORDER BY face_id").fetchall()


def _places(table: sqlite3.Connection) -> Mapping[int, int]:
    return dict(table.execute("SELECT part, next FROM places").fetchall())


def _after(*parts: Sequence[Said]) -> list[Any]:
    table = _table()
    for part in parts:
        _apply(part, table)
    return _rows(table)


def _truth(history: Sequence[Said]) -> Iterator[tuple[str, str, str | None]]:
    last = {said.key().decode(): said.body for said in history}
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


_TOPIC, _PARTS = "id of the topic", [0, 1]


def _filled(path: Path) -> sqlite3.Connection:
    """A table that was read to the ends of two partitions."""
    table = opened(str(path))
    begin_anew(table)
    _apply([Said("a1", 0, _body("a1", "ann")), Said("b1", 4, _body("b1", "ben"), part=1)], table, "new_")
    _apply([Said(None, 2, None), Said(None, 6, None, part=1)], table, "new_")
    assert has_reached({0: 2, 1: 6}, table, "new_")
    swap(table, _TOPIC)
    return table


def _quiet_for(hours: float, table: sqlite3.Connection, *parts: int) -> None:
    with table:
        for part in parts:
            table.execute("UPDATE places SET seen = datetime('now', ?) WHERE part = ?", [f"-{hours} hours", part])


def test_what_was_read_to_its_end_is_the_table_and_is_gone_on_with(tmp_path: Path) -> None:
    table = _filled(tmp_path / "people.db")
    assert [row[0] for row in _rows(table)] == ["a1", "b1"]
    assert _places(table) == {0: 2, 1: 6}
    assert is_current(table, _TOPIC, _PARTS)
    table.close()


def test_a_day_on_which_nothing_happens_empties_nothing(tmp_path: Path) -> None:
    with _filled(tmp_path / "people.db") as table:
        _quiet_for(30, table, 0, 1)
        assert has_reached({0: 2, 1: 6}, table), "it was there all the time, and looked"
    table.close()
    again = opened(str(tmp_path / "people.db"))
    assert is_current(again, _TOPIC, _PARTS)
    assert [row[0] for row in _rows(again)] == ["a1", "b1"]
    again.close()


@pytest.mark.parametrize(("hours", "current"), [(1, True), (30, False)])
def test_whoever_was_away_for_longer_than_tombstones_stay_reads_all_again(
    hours: int,
    current: bool,  # noqa: FBT001  a parameter
    tmp_path: Path,
) -> None:
    with _filled(tmp_path / "people.db") as table:
        _quiet_for(hours, table, 1)
    table.close()
    again = opened(str(tmp_path / "people.db"))
    assert is_current(again, _TOPIC, _PARTS) == current
    assert [row[0] for row in _rows(again)] == ["a1", "b1"], "nothing is lost before there is better"
    again.close()


def test_a_partition_that_has_more_to_read_is_not_taken_for_read(tmp_path: Path) -> None:
    table = _filled(tmp_path / "people.db")
    _quiet_for(30, table, 0, 1)
    assert not has_reached({0: 2, 1: 7}, table)
    assert not is_current(table, _TOPIC, _PARTS)
    table.close()


def test_whoever_lags_behind_by_a_day_counts_as_away_though_it_reads_all_the_time(tmp_path: Path) -> None:
    table = _filled(tmp_path / "people.db")
    _apply([Said("a2", 2, _body("a2", "ann"), hours=30)], table)
    assert not is_current(table, _TOPIC, _PARTS)
    table.close()


@pytest.mark.parametrize(
    ("topic", "parts"), [("id of a later topic", _PARTS), (_TOPIC, [0]), (_TOPIC, [0, 1, 2])], ids=str
)
def test_places_in_another_topic_are_worth_nothing(topic: str, parts: list[int], tmp_path: Path) -> None:
    table = _filled(tmp_path / "people.db")
    assert not is_current(table, topic, parts)
    table.close()


def test_a_new_table_is_not_gone_on_with_and_begins_with_the_first_record(tmp_path: Path) -> None:
    table = opened(str(tmp_path / "people.db"))
    assert not is_current(table, _TOPIC, _PARTS)
    assert _places(table) == {}
    table.close()


def test_readers_see_the_old_table_until_the_new_one_is_whole(tmp_path: Path) -> None:
    table, reader = _filled(tmp_path / "people.db"), sqlite3.connect(tmp_path / "people.db")
    begin_anew(table)
    _apply([Said("c1", 0, _body("c1", "cid"))], table, "new_")
    assert [row[0] for row in _rows(reader)] == ["a1", "b1"]
    assert not has_reached({0: 2, 1: 6}, table, "new_"), "nothing is known of the other partition"
    _apply([Said(None, 2, None), Said(None, 6, None, part=1)], table, "new_")
    assert has_reached({0: 2, 1: 6}, table, "new_")
    swap(table, "id of a later topic")
    assert [row[0] for row in _rows(reader)] == ["c1"]
    assert is_current(table, "id of a later topic", _PARTS)
    for each in (table, reader):
        each.close()


def test_a_table_of_the_first_form_of_this_program_is_read_anew_and_kept_until_then(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "people.db")
    old.executescript(
        "CREATE TABLE faces (face_id TEXT PRIMARY KEY, photo TEXT NOT NULL, person TEXT);"
        "CREATE TABLE places (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, seen TEXT DEFAULT CURRENT_TIMESTAMP);"
        "INSERT INTO faces VALUES ('a1', 'photos/a.jpg', 'ann'); INSERT INTO places (part, next) VALUES (0, 7), (1, 9);"
    )
    old.close()
    table = opened(str(tmp_path / "people.db"))
    assert not is_current(table, _TOPIC, _PARTS)
    assert [row[0] for row in _rows(table)] == ["a1"]
    table.close()
