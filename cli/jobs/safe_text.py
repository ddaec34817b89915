"""Bytes that came from anywhere, shown to a person: no vectors, nothing that a terminal would obey."""

import json
import re
from typing import Any

from cli.terminal import printable

_ELIDED = "<left out>"
# What is no JSON any more, cut off for one, may still hold a vector.
_VECTOR = re.compile(r'("vector"\s*:\s*)(?!null)("[^"]*"?|\[[^\]]*\]?|[^,}\s]+)')
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{129,}")  # base64 of more than 96 bytes: the least vector has 512


def beginning(data: bytes, limit: int) -> str:
    """Return the first `limit` characters of bytes as text; JSON is laid out in lines."""
    text = data.decode("utf-8", "backslashreplace")
    try:
        lines = json.dumps(_without_vectors(json.loads(text)), ensure_ascii=False, indent=2).splitlines()
    except (ValueError, RecursionError):
        lines = [_VECTOR.sub(rf"\1{_ELIDED}", text)]
    shown = "\n".join(printable(_LONG.sub(_ELIDED, line)) for line in lines)
    return shown if len(shown) <= limit else f"{shown[:limit]} ..."


def _without_vectors(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _ELIDED if name == "vector" and inner is not None else _without_vectors(inner)
            for name, inner in value.items()
        }
    return [_without_vectors(inner) for inner in value] if isinstance(value, list) else value
