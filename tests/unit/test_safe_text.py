"""What `watch` and `dead-letters` print: lines that people can read and terminals do not obey, and no vectors."""

import base64
import json
import re
import struct
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.jobs.dead_letters import original, table, unmarked
from cli.jobs.watch import human_line, json_line
from cli.output.safe_text import beginning
from shared.domain.topics import MAX_RECORD_BYTES
from shared.errors import InvalidInput, Poison
from shared.ports.streams import ConsumedRecord
from shared.stream.dead_letters import dead_letter
from tools.golden_events import event_bytes

_RECORD = ConsumedRecord(
    "faces.assigned", 3, 7, b"9b9d7ae7cf95e7c5c7bad784977b301f", None, {}, datetime(2026, 11, 24, tzinfo=UTC)
)


def said(name: str) -> ConsumedRecord:
    return replace(_RECORD, value=event_bytes(f"FaceAssigned.{name}"))


def test_an_assignment_is_a_line_with_photograph_face_person_and_cause() -> None:
    line = human_line(said("reclustered"))
    for part in (
        "face 9b9d7ae7cf95",
        "person e51582fd9bfc",
        "0.812",
        "generation 8",
        "reclustered",
        "photos/2026/café",
    ):
        assert part in line


def test_a_face_that_is_unknown_and_one_that_is_erased_say_so() -> None:
    assert "unknown" in human_line(said("unknown"))
    assert human_line(_RECORD).endswith("face 9b9d7ae7cf95  erased")
    assert json.loads(json_line(_RECORD)) == {"face_id": "9b9d7ae7cf95e7c5c7bad784977b301f", "cause": "erased"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("reclustered", "generation 8 is active, before it 7  reclustered  412 faces and 57 people announced"),
        ("rolled-back", "generation 7 is active, before it 8  rolled back  398 faces and 61 people announced"),
    ],
)
def test_a_publication_is_a_line_with_both_generations_and_why(name: str, words: str) -> None:
    record = replace(_RECORD, topic="generations.published", value=event_bytes(f"GenerationPublished.{name}"))
    assert human_line(record).endswith(words)
    assert json.loads(json_line(record)) == json.loads(event_bytes(f"GenerationPublished.{name}"))


def test_a_cause_that_a_later_version_says_is_shown_as_it_is() -> None:
    event = json.loads(event_bytes("FaceAssigned.arrived")) | {"cause": "said later\x1b[0m"}
    line = human_line(replace(_RECORD, value=json.dumps(event).encode()))
    assert "said later" in line
    assert line.isprintable()


def test_a_json_line_is_the_event_in_one_line() -> None:
    line = json_line(said("arrived"))
    assert "\n" not in line
    assert json.loads(line) == json.loads(event_bytes("FaceAssigned.arrived"))


@given(st.none() | st.binary(max_size=200), st.sampled_from(["faces.assigned", "generations.published"]))
def test_whatever_a_topic_holds_is_one_printable_line(value: bytes | None, topic: str) -> None:
    assert human_line(replace(_RECORD, topic=topic, value=value)).isprintable()


_VECTOR = base64.b64encode(bytes(range(256)) * 2).decode()


@pytest.mark.parametrize("cut", [None, 700, 900])
def test_no_vector_is_shown_whole_or_cut_off(cut: int | None) -> None:
    event = json.loads(event_bytes("FacesEmbedded.one-blurry"))
    event["faces"][0]["vector"] = _VECTOR
    shown = beginning(json.dumps(event).encode()[:cut], 100_000)
    assert not any(_VECTOR[start : start + 40] in shown for start in range(0, len(_VECTOR), 20))
    assert event["photo"]["key"][:4] in shown


@pytest.mark.parametrize("value", ['{"vector": [0.25, 0.5]}', '[{"vector": [0.25, 0.5', '{"vector" : 0.25'])
def test_a_vector_of_another_form_is_not_shown_either(value: str) -> None:
    assert "0.25" not in beginning(value.encode(), 1000)


_FLOATS = [round(0.001 * number - 0.2, 3) for number in range(128)]
_ROWS = [_FLOATS[start : start + 16] for start in range(0, 128, 16)]
_ROW = " ".join(map(str, _FLOATS))
_LINES = "\n".join(_VECTOR[start : start + 76] for start in range(0, len(_VECTOR), 76))
_INNER = json.dumps({"Vector": _FLOATS, "key": "café"})


@pytest.mark.parametrize("cut", [None, 600])
@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"vectors": _FLOATS}),
        json.dumps({"Vector": _FLOATS}),
        json.dumps({"centre": _ROWS}),
        json.dumps(_FLOATS),
        json.dumps({"one": {"embedding": list(map(str, _FLOATS))}}),
        json.dumps({str(number): value for number, value in enumerate(_FLOATS)}),
        json.dumps({"text": _ROW}),
        json.dumps({_ROW: 1}),
        json.dumps({"payload": _INNER}),
        json.dumps({"payload": json.dumps({"payload": _INNER})}),
        json.dumps({"payload": json.dumps(_ROWS, indent=1)}),
        json.dumps({"payload": _LINES}),
        json.dumps([_LINES]),
        repr(_FLOATS),
        _ROW,
        ",".join(map(str, _FLOATS)),
        ";".join(map(str, _FLOATS)),
        "\n".join(f"{value:e}" for value in _FLOATS),
        "x = array([" + ", ".join(f"{value:.8f}" for value in _FLOATS) + "])",
        _LINES,
        _LINES.replace("\n", "\r\n"),
    ],
)
def test_a_vector_is_known_by_its_form_whatever_its_name(value: str, cut: int | None) -> None:
    shown = beginning(value.encode()[:cut], 100_000)
    assert "left out" in shown
    assert len(re.findall(r"\d\.\d", shown)) <= 32
    assert not any(_VECTOR[start : start + 40] in shown for start in range(0, len(_VECTOR), 20))


def test_json_in_a_string_keeps_what_is_no_vector() -> None:
    shown = beginning(json.dumps({"payload": _INNER}).encode(), 1000)
    assert "café" in shown
    assert json.loads(json.loads(shown)["payload"]) == {"Vector": "<left out>", "key": "café"}


@pytest.mark.parametrize(
    "value",
    [
        {"box": [1, 2, 3, 4], "landmarks": [[1, 2]] * 5, "sizes": list(range(32)), "flags": [True] * 40},
        {"payload": '{"a": 1}', "quoted": '"', "open": "[1, 2", "vector": None},
        {"when": "2026-11-24T10:11:12.123+01:00", "etag": "d41d8cd98f00b204e9800998ecf8427e", "n": 1.5},
        [{"key": f"2026/11/{day}/photo.jpg", "size": day} for day in range(20)],
    ],
)
def test_what_is_no_vector_is_shown_as_it_is(value: object) -> None:
    assert json.loads(beginning(json.dumps(value).encode(), 10_000)) == value


@pytest.mark.parametrize("value", [b"\xff" * 512, struct.pack("<128f", *_FLOATS), b'{"key": "caf\xe9"}', b"\x80"])
def test_of_bytes_that_are_no_text_only_their_number_is_shown(value: bytes) -> None:
    assert beginning(value, 1000) == f"<{len(value)} bytes that are not UTF-8>"


def test_letters_in_a_list_show_no_vector_either() -> None:
    about = {"dead_letter_message": _ROW.encode(), "dead_letter_error": b"Poison"}
    console = Console(file=StringIO(), width=10_000)
    console.print(table(unmarked([replace(_RECORD, topic="dead-letters", headers=about)])))
    assert "Poison: <left out>" in console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO


@given(st.binary(max_size=300), st.integers(1, 100))
def test_any_bytes_are_shown_as_printable_lines_of_bounded_length(data: bytes, limit: int) -> None:
    shown = beginning(data, limit)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert len(shown) <= limit + len(" ...")


_HEADERS = st.dictionaries(st.sampled_from(["ce_id", "traceparent", "x"]), st.binary())


@given(st.binary(), st.none() | st.binary(), _HEADERS, st.integers(0, 99))
def test_a_letter_gives_back_the_message_that_it_was(
    key: bytes, value: bytes | None, headers: dict[str, bytes], partition: int
) -> None:
    message = ConsumedRecord("images.uploaded", partition, 5, key, value, headers, _RECORD.timestamp)
    letter = dead_letter("detector", message, Poison("why"))
    stored = ConsumedRecord(letter.topic, 0, 1, letter.key, letter.value, letter.headers, _RECORD.timestamp)
    again, where = original(stored)
    assert (again.topic, where, again.key, again.value, again.headers) == (
        "images.uploaded",
        partition,
        key,
        value,
        headers,
    )


def test_a_record_that_does_not_say_where_it_came_from_cannot_be_replayed() -> None:
    with pytest.raises(InvalidInput, match="7: expected headers"):
        original(_RECORD)


def test_a_letter_without_its_message_is_not_replayed_as_a_tombstone() -> None:
    large = ConsumedRecord("images.uploaded", 3, 5, b"k", bytes(MAX_RECORD_BYTES), {}, _RECORD.timestamp)
    letter = dead_letter("detector", large, Poison("why"))
    stored = ConsumedRecord(letter.topic, 0, 1, letter.key, letter.value, letter.headers, _RECORD.timestamp)
    with pytest.raises(InvalidInput, match=r"^0@1: .* it is at images\.uploaded/3@5 .* drop --id 0@1"):
        original(stored)


def test_a_letter_with_a_mark_is_no_longer_open() -> None:
    letters = [replace(_RECORD, topic="dead-letters", partition=0, offset=offset) for offset in (1, 2, 3)]
    mark = replace(_RECORD, key=b"0@2", offset=4, headers={"dead_letter_handled": b"dropped"})
    assert [letter.id for letter in unmarked([*letters, mark])] == ["0@1", "0@3"]
