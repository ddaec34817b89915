"""Golden events: one stored example of each kind, which must be readable for ever."""

from pathlib import Path

_GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "events"


def event_bytes(name: str) -> bytes:
    """Return a golden event."""
    return (_GOLDEN / f"{name}.json").read_bytes()
