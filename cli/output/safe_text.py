"""Text made of untrusted bytes that is safe to show: without vectors, unprintable characters escaped.

A vector is recognised by its form, under any name: more than 32 numbers in a row, base64 of more than 96 bytes, bytes
that are not UTF-8. A value with the name `vector` is always left out, however short it is.
"""

import json
import re
from typing import Any

from cli.output.terminal import printable

_ELIDED = "<left out>"
_MOST_NUMBERS = 32
_NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?"
_IS_NUMBER = re.compile(_NUMBER)
# Between two numbers of a row: white space, also escaped as in a JSON string, and the punctuation of lists.
_NUMBERS = re.compile(rf"(?<![\w.]){_NUMBER}(?:(?:[\s,;:|/\[\](){{}}'\"]|\\[nrt\"])++{_NUMBER})++")
# Text that is not valid JSON, for example because it was cut off, may still hold a vector.
_VECTOR = re.compile(r'(\\{0,9}"vector\\{0,9}"\s*:\s*)(?!null)("[^"]*"?|\[[^\]]*\]?|[^,}\s]+)')
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{129,}")  # base64 of more than 96 bytes; the smallest vector has 512
_WRAPPED = re.compile(r"(?:[A-Za-z0-9+/=_-]{40,}+(?:\s|\\[nr])++){2,}[A-Za-z0-9+/=_-]*")  # base64 in lines


def beginning(data: bytes, limit: int) -> str:
    """Return the first `limit` characters of bytes as text; JSON is indented.

    Bytes that are not UTF-8 are replaced by their number.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"<{len(data)} bytes that are not UTF-8>"[: limit + 4]
    try:
        lines = json.dumps(_safe(json.loads(text)), ensure_ascii=False, indent=2).splitlines()
    except (ValueError, RecursionError):
        lines = [without_vectors(text)]
    shown = "\n".join(printable(line) for line in lines)
    return shown if len(shown) <= limit else f"{shown[:limit]} ..."


def without_vectors(text: str) -> str:
    """Return a text of any form without the parts that may be a vector."""
    text = _VECTOR.sub(rf"\1{_ELIDED}", text)
    text = _NUMBERS.sub(lambda row: row[0] if len(_IS_NUMBER.findall(row[0])) <= _MOST_NUMBERS else _ELIDED, text)
    return _WRAPPED.sub(_ELIDED, _LONG.sub(_ELIDED, text))


def _safe(value: Any) -> Any:
    """Return a JSON value without vectors. Strings that are JSON themselves are searched too."""
    if isinstance(value, str):
        return _safe_string(value)
    if not isinstance(value, dict | list):
        return value
    if _numbers(value) > _MOST_NUMBERS:
        return _ELIDED
    if isinstance(value, list):
        return [_safe(inner) for inner in value]
    return {
        _safe_string(name): _ELIDED if name == "vector" and inner is not None else _safe(inner)
        for name, inner in value.items()
    }


def _safe_string(value: str) -> str:
    if value.lstrip()[:1] in {"{", "[", '"'}:
        try:
            inner = json.loads(value)
        except ValueError:
            pass
        else:
            safe = _safe(inner)
            return value if safe == inner else json.dumps(safe, ensure_ascii=False)
    return without_vectors(value)


def _numbers(value: Any) -> int:
    """Count the numbers in a list and its inner lists, or among the values of an object; numbers as text count too."""
    if isinstance(value, dict):
        return sum(_is_number(inner) for inner in value.values())
    return sum(_numbers(inner) if isinstance(inner, list) else _is_number(inner) for inner in value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_IS_NUMBER.fullmatch(value.strip()))
    return isinstance(value, int | float) and not isinstance(value, bool)
