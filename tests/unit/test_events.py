"""Events: round trips, the golden examples that must decode for ever, and additive changes only."""

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter, ValidationError

from shared.domain import events
from shared.domain.events import (
    Box,
    Change,
    ClusterChanged,
    DetectedFace,
    EmbeddedFace,
    FaceAssigned,
    FacesEmbedded,
    Message,
    Photo,
    Point,
    ScreenedFace,
    Verdict,
)
from tools.event_schemas import EVENTS, breaks, schema_of, stored_schema_of
from tools.golden_events import event_bytes

_FOLDER = Path(__file__).parents[1] / "golden"
_GOLDEN = sorted((_FOLDER / "events").glob("*.json"))
_ONLY_READ = sorted((_FOLDER / "read").glob("*.json"))  # words that were once in the schema, and that nobody writes
_FEW = settings(max_examples=30)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_TIMES = st.datetimes(timezones=st.just(UTC))
_Kind = TypeVar("_Kind")
_DRAWN = {
    "vector": st.none() | hnp.arrays(np.float32, st.integers(1, 8), elements=st.floats(-1, 1, width=32)),
    "similarity": st.none() | _NUMBERS,
    "size": st.integers(0, 2**40),
    **dict.fromkeys(("occurred_at", "uploaded_at", "published_at"), _TIMES),
    **dict.fromkeys(("x", "y", "score", "sharpness"), _NUMBERS),
}


def _plain(value: Any) -> Any:
    """Return a message as dictionaries and lists, arrays as their numbers, so that `==` compares it."""
    if isinstance(value, Message):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def _built(kind: Callable[..., _Kind], names: Iterable[str]) -> st.SearchStrategy[_Kind]:
    """Draw every field, those with defaults too."""
    drawn: dict[str, Any] = dict.fromkeys(names, ...)
    drawn |= {name: values for name, values in _DRAWN.items() if name in drawn}
    faces: Any = get_type_hints(kind).get("faces")
    if get_origin(faces) is tuple:  # hypothesis stumbles over what pydantic adds to it: `FailFast` has no hash
        drawn["faces"] = st.from_type(faces)
    return st.builds(kind, **drawn)


def _examples(event: type[Message]) -> st.SearchStrategy[Message]:
    return _built(event, event.model_fields)


_SIDES = st.integers(1, 2**20)
st.register_type_strategy(Box, st.builds(Box, width=_SIDES, height=_SIDES))
for _part in (Point, Photo, DetectedFace, ScreenedFace, EmbeddedFace):
    st.register_type_strategy(_part, _built(_part, [field.name for field in fields(_part)]))


@pytest.mark.parametrize("event", EVENTS)
@given(data=st.data())
@_FEW
def test_an_event_comes_back_from_json_as_it_was(event: type[Message], data: st.DataObject) -> None:
    sent = data.draw(_examples(event))
    received = event.model_validate_json(sent.model_dump_json())
    assert _plain(received) == _plain(sent)
    assert received.model_dump_json() == sent.model_dump_json()


@pytest.mark.parametrize("event", EVENTS)
@given(data=st.data())
@_FEW
def test_fields_that_a_reader_does_not_know_are_passed_over(event: type[Message], data: st.DataObject) -> None:
    sent = data.draw(_examples(event))
    received = event.model_validate_json(json.dumps(_with_new_fields(json.loads(sent.model_dump_json()))))
    assert received.model_dump_json() == sent.model_dump_json()


@pytest.mark.parametrize(
    ("name", "field"),
    [("FaceAssigned.arrived", "cause"), ("ClusterChanged.grown", "change"), ("GenerationPublished.repeated", "cause")],
)
def test_a_word_that_a_later_version_adds_is_read_and_kept(name: str, field: str) -> None:
    event = getattr(events, name.split(".", maxsplit=1)[0])
    later = json.loads(event_bytes(name)) | {field: "added later"}
    received = event.model_validate_json(json.dumps(later))
    assert json.loads(received.model_dump_json()) == later
    assert received == event.model_validate(later)


@pytest.mark.parametrize("wrong", [3, None, ["arrived"], {}])
def test_what_is_no_word_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        FaceAssigned.model_validate_json(json.dumps(json.loads(event_bytes("FaceAssigned.arrived")) | {"cause": wrong}))


def _with_new_fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_new_fields(item) for name, item in value.items()} | {"added later": {"x": 1}}
    return [_with_new_fields(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", [*_GOLDEN, *_ONLY_READ], ids=lambda path: path.stem)
def test_a_golden_example_decodes_and_keeps_every_value(path: Path) -> None:
    event = getattr(events, path.name.split(".")[0])
    golden = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(event.model_validate(golden).model_dump_json())
    assert list(_lost(golden, again)) == []
    assert list(_lost(golden, json.loads(event.model_validate_json(path.read_bytes()).model_dump_json()))) == []


def _lost(golden: Any, again: Any, at: str = "") -> Iterator[str]:
    """Yield what is in `golden` and not in `again`; new fields are no loss."""
    if isinstance(golden, dict) and isinstance(again, dict):
        for name, value in golden.items():
            yield from _lost(value, again.get(name, "nothing"), f"{at}/{name}")
    elif isinstance(golden, list) and isinstance(again, list) and len(golden) == len(again):
        for number, (value, other) in enumerate(zip(golden, again, strict=True)):
            yield from _lost(value, other, f"{at}/{number}")
    elif golden != again:
        yield f"{at}: {golden!r} became {again!r}"


def test_every_event_has_a_golden_example() -> None:
    assert {path.name.split(".")[0] for path in _GOLDEN} == {event.__name__ for event in EVENTS}


def test_a_golden_embedding_has_the_numbers_that_were_sent() -> None:
    path = next(path for path in _GOLDEN if path.stem == "FacesEmbedded.one-blurry")
    accepted, blurry = FacesEmbedded.model_validate_json(path.read_bytes()).faces
    assert accepted.vector is not None
    assert accepted.vector.tolist() == [0.5, -0.5, 0.5, 0.5]
    assert (blurry.vector, blurry.verdict) == (None, Verdict.BLURRY)


@pytest.mark.parametrize("event", EVENTS)
def test_no_field_of_an_event_is_removed_or_changed(event: type[Message]) -> None:
    assert list(breaks(stored_schema_of(event), schema_of(event))) == []


@pytest.mark.parametrize("event", EVENTS)
def test_the_stored_schema_knows_every_field(event: type[Message]) -> None:
    assert schema_of(event) == stored_schema_of(event), "after an addition: python -m tools.event_schemas"


def test_only_a_word_that_was_never_written_may_go() -> None:
    def with_words(*words: str) -> dict[str, Any]:
        return {"$defs": {"Cause": {"enum": list(words)}}}

    assert list(breaks(with_words("arrived", "erased"), with_words("arrived"))) == []
    assert list(breaks(with_words("arrived", "reclustered"), with_words("arrived"))) != []


def _changed(*path: str, to: Any) -> dict[str, Any]:
    schema = deepcopy(dict(stored_schema_of(FacesEmbedded)))
    place: Any = schema
    for name in path[:-1]:
        place = place[name]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return schema


@pytest.mark.parametrize(
    "changed",
    [
        _changed("properties", "reason", to=None),
        _changed("$defs", "EmbeddedFace", "properties", "sharpness", to=None),
        _changed("$defs", "Box", "properties", "left", "type", to="number"),
        _changed("$defs", "Box", "properties", "width", "exclusiveMinimum", to=5),
        _changed("$defs", "Box", "properties", "left", "minimum", to=0),
        _changed("$defs", "Box", "required", to=["left", "top", "width"]),
        _changed("$defs", "Box", "required", to=["left", "top", "width", "height", "angle"]),
        _changed("$defs", "Verdict", "enum", to=[*Verdict][1:]),
    ],
)
def test_a_breaking_change_of_a_schema_is_found(changed: dict[str, Any]) -> None:
    assert len(list(breaks(stored_schema_of(FacesEmbedded), changed))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        _changed("properties", "camera", to={"type": "string", "default": ""}),
        _changed("$defs", "EmbeddedFace", "properties", "age", to={"type": "number", "default": 0}),
        _changed("$defs", "Verdict", "enum", to=[*Verdict, "grainy"]),
        _changed("$defs", "Camera", to={"type": "object"}),
        _changed("$defs", "Box", "description", to="In other words."),
    ],
)
def test_an_addition_to_a_schema_breaks_nothing(changed: dict[str, Any]) -> None:
    assert list(breaks(stored_schema_of(FacesEmbedded), changed)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "no base64!",
        base64.b64encode(b"123").decode(),
        "",
        [0.5, 0.5],
        7,
        base64.b64encode(np.array([np.nan], "<f4").tobytes()).decode(),
        base64.b64encode(np.array([np.inf], "<f4").tobytes()).decode(),
        np.zeros((2, 2), np.float32),
        np.zeros(0, np.float32),
    ],
)
def test_what_is_no_vector_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(events.Vector).validate_python(wrong)


def test_a_vector_of_an_event_cannot_be_changed() -> None:
    numbers = np.array([0.5, 0.5], np.float32)
    vector = TypeAdapter(events.Vector).validate_python(numbers)
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1
    numbers[0] = 1
    assert vector.tolist() == [0.5, 0.5], "and not through the array that it was made from"


def test_an_event_cannot_be_changed() -> None:
    event = ClusterChanged(cluster_id="c", change=Change.RETIRED, medoid_face_id=None, size=0, generation=1)
    with pytest.raises(ValidationError, match="frozen"):
        event.size = 5  # type: ignore[misc]  # what is tested
    with pytest.raises(FrozenInstanceError):
        Box(left=1, top=2, width=3, height=4).left = 5  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Point(x=number, y=0)


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (-1, 4)])
def test_a_box_without_area_is_refused(width: int, height: int) -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Box(left=1, top=2, width=width, height=height)
