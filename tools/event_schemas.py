"""The stored JSON schemas of the events, on which downstream programs rely.

`python -m tools.event_schemas` stores the present schemas. Tests compare every later change with them.
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
"""Values of enumerations that were in a schema but never in an event, so that they may be removed."""

Schema = Mapping[str, Any]


def schema_of(event: type[Message]) -> Schema:
    """Return the JSON schema of an event as it is written."""
    return event.model_json_schema(mode="serialization")


def stored_schema_of(event: type[Message]) -> Schema:
    """Return the stored JSON schema of an event."""
    schema: Schema = json.loads((FOLDER / f"{event.__name__}.json").read_text(encoding="utf-8"))
    return schema


def breaks(stored: Any, current: Any, at: str = "") -> Iterator[str]:
    """Yield each change that breaks a reader of `stored`. Fields and values of enumerations may be added."""
    if isinstance(stored, dict) and isinstance(current, dict):
        for name, value in stored.items():
            if name in ("title", "description"):
                continue
            if name not in current:
                yield f"{at}/{name}: removed"
            else:
                yield from breaks(value, current[name], f"{at}/{name}")
        if at and not at.endswith(("/properties", "/$defs")):
            yield from (f"{at}/{name}: a new constraint" for name in current.keys() - stored.keys() - {"description"})
    elif at.endswith("/enum"):
        unwritten = NEVER_WRITTEN.get(at.split("/")[-2], set())
        yield from (f"{at}: {value!r} is removed" for value in stored if value not in {*current, *unwritten})
    elif at.endswith("/required"):
        yield from (f"{at}: {name} is no longer required" for name in stored if name not in current)
        yield from (f"{at}: {name} is required, but missing in older events" for name in current if name not in stored)
    elif stored != current:
        yield f"{at}: was {json.dumps(stored)}, is {json.dumps(current)}"


def main() -> None:
    """Store the present schemas."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for event in EVENTS:
        text = json.dumps(schema_of(event), indent=2, sort_keys=True)
        (FOLDER / f"{event.__name__}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
