# ruff: noqa: INP001  a script beside the documents, no package
"""Write `docs/asyncapi.yaml`: the topics and their events, from the table of topics and the models.

python -m docs.make_asyncapi
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from shared.domain.events import Message
from shared.domain.topics import DEAD_LETTERS, FACES_ASSIGNED, IMAGES_PROCESSED, IMAGES_UPLOADED, TOPICS, Topic
from shared.stream.bucket_notifications import Notification

TARGET = Path(__file__).with_name("asyncapi.yaml")
_EXAMPLES = Path(__file__).parents[1] / "tests" / "golden" / "events"
_ABOUT = """\
Photographs in, people out. Downstream programs read `faces.assigned` (the person of each face, now),
`images.processed` (what became of each photograph), `clusters.changed` (what a regrouping made of each person) and
`generations.published` (which generation is in force); the other topics are between the services.

1. Order is the offset. Never order by a time: `ce_time` is when something happened, not when it was said.
2. The last record of a key is the truth. Never let the highest generation win: after a rollback it is a smaller one.
3. A null value is a tombstone: there is nothing of that key any more. Test the value, not the headers.
4. Read with `isolation.level=read_committed`: what was aborted was never said.
5. A publication is complete when you have read its record in `generations.published`, and in the other topics all
   records that stood there at that moment.

Headers follow CloudEvents 1.0 (binary mode) and W3C Trace Context. Fields are only ever added, and words to the
enumerations `Cause`, `Change` and `Publication`: ignore fields that you do not know, and keep words as they are.
Batches are compressed (lz4). docs/events.md says more.
"""
_WORDS = {"type": "string"}
_TRACE = {
    "traceparent": {**_WORDS, "description": "W3C Trace Context"},
    "tracestate": {**_WORDS, "description": "W3C Trace Context"},
}
_DEAD_LETTER = {
    "topic": "where the message stood",
    "partition": "where the message stood, a number",
    "offset": "where the message stood, a number",
    "service": "which service could not process it",
    "error": "class of the error",
    "message": "first line of the error",
    "time": "when, ISO 8601",
}

_TOMBSTONES = {
    FACES_ASSIGNED: ("FaceErased", "A tombstone: the face is no more, its photograph was removed or replaced"),
    IMAGES_PROCESSED: (
        "ImageForgotten",
        "A tombstone: the object is gone, and its key is forgotten; stands behind the record that says `removed`",
    ),
}
_BOUND = ("retention.ms", "delete.retention.ms", "max.message.bytes")  # those that the binding knows

Tree = dict[str, Any]


def document() -> Tree:
    """Return the document as JSON's types."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "facestream",
            "version": version("facestream"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"{'receive' if topic is IMAGES_UPLOADED else 'send'}-{topic.name}": _operation(topic) for topic in TOPICS
        },
        "components": {
            "messages": {name: message for topic in TOPICS for name, message in _messages(topic).items()},
            "schemas": _schemas(),
        },
    }


def text() -> str:
    """Return the document as YAML."""
    head = "# Made by `python -m docs.make_asyncapi`; change the models instead.\n"
    return head + yaml.dump(document(), Dumper=_Yaml, sort_keys=False, allow_unicode=True, width=110)


def _channel(topic: Topic) -> Tree:
    kept = topic.configuration()
    configuration: Tree = {"cleanup.policy": [kept["cleanup.policy"]]}
    configuration |= {name: int(kept[name]) for name in _BOUND if name in kept}
    written = f"Written by: {topic.producer}"
    if topic.cleanup == "compact":
        written += "; again by `facestream announce`, as `/facestream/reclusterer`"
    number = (
        "One partition" if topic.partitions == 1 else "The number of partitions is the default of `facestream init`"
    )
    return {
        "address": topic.name,
        "description": f"{written}. Key: {topic.key}. {number}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(topic: Topic) -> Tree:
    return {
        "action": "receive" if topic is IMAGES_UPLOADED else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{topic.producer}: {topic.name}",
    }


def _messages(topic: Topic) -> Tree:
    """Return the messages of a topic by name."""
    key = {"kafka": {"key": {**_WORDS, "description": topic.key}, "bindingVersion": "0.5.0"}}
    if topic is DEAD_LETTERS:
        return {
            "DeadLetter": {
                "summary": "The original bytes, key and headers of a message that could not be processed",
                "contentType": "application/octet-stream",
                "headers": _headers({f"dead_letter_{name}": about for name, about in _DEAD_LETTER.items()}),
                "payload": {},
                "bindings": key,
            },
            "DeadLetterHandled": {
                "summary": "A mark: the letter that the key names, partition@offset, was replayed or dropped",
                "headers": _headers({"dead_letter_handled": "replayed or dropped"}),
                "payload": {"type": "null"},
                "bindings": {
                    "kafka": {"key": {**_WORDS, "description": "partition@offset"}, "bindingVersion": "0.5.0"}
                },
            },
        }
    if topic.model is None:
        return {
            Notification.__name__: {
                "summary": "a notification in the form that MinIO gives it, whoever wrote it; the fields that are read",
                "payload": {"$ref": f"#/components/schemas/{Notification.__name__}"},
                "bindings": key,
            }
        }
    messages = {topic.model.__name__: _event(topic, topic.model) | {"bindings": key}}
    if topic in _TOMBSTONES:
        name, summary = _TOMBSTONES[topic]
        messages[name] = {
            "summary": summary,
            "headers": _cloud_event(topic, is_tombstone=True),
            "payload": {"type": "null"},
            "bindings": key,
        }
    return messages


def _event(topic: Topic, model: type[Message]) -> Tree:
    examples = sorted(_EXAMPLES.glob(f"{model.__name__}.*.json"))
    return {
        "summary": (model.__doc__ or "").partition("\n")[0],
        "headers": _cloud_event(topic),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [
            {"name": path.stem.partition(".")[2], "payload": json.loads(path.read_text(encoding="utf-8"))}
            for path in examples
        ],
    }


def headers_of(topic: Topic) -> Mapping[str, Mapping[str, str]]:
    """Return the schemas of the headers of an event's record, the traces' not among them."""
    return {
        "ce_specversion": {**_WORDS, "const": "1.0"},
        "ce_id": {
            **_WORDS,
            "description": "derived from what is said: a record that is written twice has the same id; what is told"
            " again without a publication, by `facestream announce` above all, has another one",
        },
        "ce_type": {**_WORDS, "const": topic.event_type},
        "ce_source": {
            **_WORDS,
            "description": "`/facestream/<service>`: who said it, not in which installation; commands that publish or"
            " announce are the reclusterer",
        },
        "ce_time": {
            **_WORDS,
            "format": "date-time",
            "description": "when what it tells of happened: an upload, a removal, a publication; of faces and people"
            " that are told of again without a publication, when that began. The record's own timestamp is when it was"
            " written",
        },
        "content-type": {**_WORDS, "const": "application/json"},
    }


def _cloud_event(topic: Topic, *, is_tombstone: bool = False) -> Tree:
    required = {name: about for name, about in headers_of(topic).items() if not is_tombstone or name != "content-type"}
    return {"type": "object", "properties": {**required, **_TRACE}, "required": list(required)}


def _headers(described: Mapping[str, str]) -> Tree:
    properties = {name: {**_WORDS, "description": about} for name, about in described.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _schemas() -> Tree:
    serialized: JsonSchemaMode = "serialization"
    models = [(topic.model, serialized) for topic in TOPICS if topic.model]
    _, found = models_json_schema([*models, (Notification, "validation")], ref_template="#/components/schemas/{model}")
    schemas: Tree = _draft_7(found["$defs"])
    return {_public(name): schema for name, schema in sorted(schemas.items())}


def _draft_7(schema: Any) -> Any:
    """Return a schema in the dialect of AsyncAPI: a tuple's items are called `prefixItems` only since 2020."""
    if isinstance(schema, dict):
        return {("items" if name == "prefixItems" else name): _draft_7(inner) for name, inner in schema.items()}
    if isinstance(schema, list):
        return [_draft_7(inner) for inner in schema]
    return _public(schema) if isinstance(schema, str) else schema


def _public(name: str) -> str:
    """Return the name of a part of the notification, or a reference to it, as others see it."""
    return re.sub(r"(^|/)_(?=[A-Z])", r"\1Notification", name)


class _Yaml(yaml.SafeDumper):
    """Writes a text of several lines as such."""

    def represent_lines(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Yaml.add_representer(str, _Yaml.represent_lines)

if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
