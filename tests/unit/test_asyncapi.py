"""The AsyncAPI document: made from the models of today, complete, and its examples are what it says they are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, ValidationError

from docs.make_asyncapi import TARGET, document, text
from shared.domain.topics import TOPICS
from shared.stream.bucket_notifications import Notification
from tools.golden_events import event_bytes

_MADE = document()


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(tree.get("$ref"), str):
            yield tree["$ref"]
        for inner in tree.values():
            yield from _references(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from _references(inner)


def _payload(message: str) -> Draft7Validator:
    """Return what judges the payloads of a message."""
    return Draft7Validator({**_MADE["components"]["messages"][message]["payload"], "components": _MADE["components"]})


def _examples() -> Iterator[tuple[str, str, Any]]:
    for name, message in _MADE["components"]["messages"].items():
        yield from ((name, example["name"], example["payload"]) for example in message.get("examples", ()))


def test_the_document_is_that_of_the_models_of_today() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run `python -m docs.make_asyncapi`"


def test_yaml_says_what_was_made() -> None:
    assert yaml.safe_load(text()) == _MADE


def test_every_topic_has_a_channel_with_messages_and_an_operation() -> None:
    assert set(_MADE["channels"]) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        channel = _MADE["channels"][topic.name]
        assert channel["messages"]
        assert topic.model is None or topic.model.__name__ in channel["messages"]
    assert len(_MADE["operations"]) == len(TOPICS)


def test_every_reference_leads_somewhere() -> None:
    references = set(_references(_MADE))
    assert references
    for reference in references:
        place = _MADE
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


@pytest.mark.parametrize(("message", "name", "payload"), list(_examples()))
def test_an_example_is_what_the_schema_says(message: str, name: str, payload: Any) -> None:
    _payload(message).validate(payload)
    assert payload == json.loads(event_bytes(f"{message}.{name}"))


@pytest.mark.parametrize(
    ("field", "value"), [("face_id", None), ("box", {"left": 1}), ("cause", "moved"), ("generation", "seven")]
)
def test_an_event_of_another_form_is_not_what_the_schema_says(field: str, value: object) -> None:
    event = json.loads(event_bytes("FaceAssigned.arrived")) | {field: value}
    with pytest.raises(ValidationError):
        _payload("FaceAssigned").validate(event)


def test_the_schema_of_notifications_knows_them_by_the_names_that_stand_in_them() -> None:
    schemas = _MADE["components"]["schemas"]
    assert set(schemas[Notification.__name__]["properties"]) == {"Records"}
    assert {"eventName", "eventTime", "s3"} <= set(schemas["NotificationRecord"]["properties"])
    assert not [name for name in schemas if name.startswith("_")]
