"""The stored schemas of the events: what downstream programs rely on.

`python -m tools.event_schemas` stores those of today; the tests then hold every later change against them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.domain.events import (
    BucketEvent,
    ClusterChanged,
    FaceAssigned,
    FacesDetected,
    FacesEmbedded,
    FacesScreened,
    GenerationPublished,
    ImageProcessed,
    Message,
)

EVENTS: tuple[type[Message], ...] = (
    BucketEvent,
    FacesDetected,
    FacesScreened,
    FacesEmbedded,
    FaceAssigned,
    ImageProcessed,
    ClusterChanged,
    GenerationPublished,
)
FOLDER = Path(__file__).parents[1] / "tests" / "golden" / "schemas"

NEVER_WRITTEN = {"Cause": {"erased"}}
"""Words that stood in a schema, and that no version has ever written: they may go."""

Schema = Mapping[str, Any]


def schema_of(event: type[Message]) -> Schema:
    """Return the JSON schema of what is written of an event."""
    return event.model_json_schema(mode="serialization")


def stored_schema_of(event: type[Message]) -> Schema:
    """Return the schema that was stored when somebody last agreed to it."""
    schema: Schema = json.loads((FOLDER / f"{event.__name__}.json").read_text(encoding="utf-8"))
    return schema


def breaks(stored: Any, current: Any, at: str = "") -> Iterator[str]:
    """Yield what a reader of `stored` would miss in `current`. Fields and words of an enumeration may be added."""
    if isinstance(stored, dict) and isinstance(current, dict):
        for name, value in stored.items():
            if name in ("title", "description"):
                continue
            if name not in current:
                yield f"{at}/{name}: gone"
            else:
                yield from breaks(value, current[name], f"{at}/{name}")
        if at and not at.endswith(("/properties", "/$defs")):
            yield from (f"{at}/{name}: a new demand" for name in current.keys() - stored.keys() - {"description"})
    elif at.endswith("/enum"):
        unsaid = NEVER_WRITTEN.get(at.split("/")[-2], set())
        yield from (f"{at}: {word!r} is gone" for word in stored if word not in {*current, *unsaid})
    elif at.endswith("/required"):
        yield from (f"{at}: {name} is no longer always there" for name in stored if name not in current)
        yield from (f"{at}: {name} is missing in older events" for name in current if name not in stored)
    elif stored != current:
        yield f"{at}: was {json.dumps(stored)}, is {json.dumps(current)}"


def main() -> None:
    """Store the schemas of today."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for event in EVENTS:
        text = json.dumps(schema_of(event), indent=2, sort_keys=True)
        (FOLDER / f"{event.__name__}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
