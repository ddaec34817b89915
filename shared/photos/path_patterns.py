"""Patterns of paths, as people know them from lists of files to leave out.

A pattern without a slash is compared with every part of a path, one with slashes with as many neighbouring parts; what
lies below is meant too. `*` is any text within a part, `?` one letter, `[abc]` one of these; `**` between slashes is
any number of folders. A slash at the beginning: only at the top; one at the end: only folders. Case does not matter.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BEGINS_A_PART = r"(?:^|(?<=/))"
_CLASS = re.compile(r"\[(?P<not>!?+)(?P<these>\]?+[^]/]*)\]")


@dataclass(frozen=True, slots=True)
class Hit:
    """Which pattern met a path, and the part of the path that it met, from the beginning."""

    pattern: str
    path: str


class PathPatterns:
    """Patterns that are looked for together, in one go whatever their number; a value, equal by its patterns."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        # The longest first: where two begin together, the one that reaches further into the path is found.
        ordered = sorted(self._patterns, key=lambda pattern: -pattern.strip("/").count("/"))
        self._top = _Together([pattern for pattern in ordered if pattern.startswith("/")])
        self._anywhere = _Together([pattern for pattern in ordered if not pattern.startswith("/")])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathPatterns) and self._patterns == other._patterns

    def __hash__(self) -> int:
        return hash(self._patterns)

    def find(self, key: str, above: str = "") -> Hit | None:
        """Return the pattern that meets a path, which begins below the folder `above`; None where none does.

        A pattern of several parts may begin above; a pattern that ends there meets nothing, since a person who names
        a folder means what is in it. A key that ends in a slash is a folder.
        """
        if not self._patterns:
            return None
        path = _folded(key)
        if found := self._top.any.match(path):
            return Hit(self._top.which(found), _beginning(key, path[: found.end()]))
        base, at = f"{_folded(above).rstrip('/')}/" if above else "", 0
        while found := self._anywhere.any.search(base + path, at):
            if found.end() > len(base):
                return Hit(self._anywhere.which(found), _beginning(key, found.string[len(base) : found.end()]))
            at = found.start() + 1
        return None


class _Together:
    """Several patterns as one expression."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._each = [(pattern, re.compile(_BEGINS_A_PART + _expression(pattern))) for pattern in patterns]
        # Whether a part begins here is asked once for all: a library has a million names.
        self.any = re.compile(_BEGINS_A_PART + f"(?:{'|'.join(map(_expression, patterns)) or '(?!)'})")

    def which(self, found: re.Match[str]) -> str:
        return next(pattern for pattern, each in self._each if each.match(found.string, found.start()))


def _beginning(key: str, met: str) -> str:
    """Return as many parts of a key as there are in what was met; folding may have changed the number of letters."""
    return "/".join(key.split("/")[: met.rstrip("/").count("/") + 1])


def _folded(text: str) -> str:
    """Return a text in which what people see as equal is equal: case, and letters with their accents apart."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def _expression(pattern: str) -> str:
    parts = _folded(pattern).strip("/").split("/")
    inner = (
        "/".join(map(_part, parts)).replace("\0/", "(?:[^/]+/)*").replace("/\0", "(?:/[^/]+)*").replace("\0", "(?s:.*)")
    )
    return inner + ("/" if pattern.endswith("/") else r"(?:/|\Z)")


def _part(part: str) -> str:
    if part == "**":
        return "\0"  # stands for itself until the slashes around it are known; no path has it
    made, at = "", 0
    while at < len(part):
        letter = part[at]
        if letter == "[" and (found := _CLASS.match(part, at)):
            made += f"[{'^/' if found['not'] else ''}{re.escape(found['these'])}]"
            at = found.end()
            continue
        made += {"*": "[^/]*", "?": "[^/]"}.get(letter) or re.escape(letter)
        at += 1
    return made
