"""Golden events: a stored example of each kind, which all later versions must read."""

from pathlib import Path

_GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "events"


def event_bytes(name: str) -> bytes:
    """Return the JSON of a golden event."""
    return (_GOLDEN / f"{name}.json").read_bytes()
