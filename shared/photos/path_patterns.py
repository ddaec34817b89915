"""Patterns of paths, as in the ignore files of other programs.

A pattern without a slash is compared with every part of a path, a pattern with slashes with as many consecutive parts.
Everything below a matching folder matches too. `*` is any text within a part, `?` one character, `[abc]` one of these
characters, `**` between slashes any number of folders. With a slash at the beginning, a pattern matches only at the
top; with one at the end, only folders. Case does not matter.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_BEGINS_A_PART = r"(?:^|(?<=/))"
_CLASS = re.compile(r"\[(?P<not>!?+)(?P<these>\]?+[^]/]*)\]")


@dataclass(frozen=True, slots=True)
class Hit:
    """The pattern that matches a path, and the path up to the end of the match."""

    pattern: str
    path: str


class PathPatterns:
    """Patterns that are searched for together, in one pass. Two objects with the same patterns are equal."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        # The longest first: of two that begin at the same part, the one that reaches further into the path is found.
        ordered = sorted(self._patterns, key=lambda pattern: -pattern.strip("/").count("/"))
        self._top = _Together([pattern for pattern in ordered if pattern.startswith("/")])
        self._anywhere = _Together([pattern for pattern in ordered if not pattern.startswith("/")])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathPatterns) and self._patterns == other._patterns

    def __hash__(self) -> int:
        return hash(self._patterns)

    def find(self, key: str, above: str = "") -> Hit | None:
        """Return the pattern that matches a path below the folder `above`; None if none does.

        A pattern of several parts may begin in `above`. One that ends there is no match, since a person who chooses
        that folder means its files. A key that ends in a slash is a folder.
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
    """Several patterns as one regular expression."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._each = [(pattern, re.compile(_BEGINS_A_PART + _expression(pattern))) for pattern in patterns]
        # The beginning of a part is tested once for all patterns, since a library may have a million names.
        self.any = re.compile(_BEGINS_A_PART + f"(?:{'|'.join(map(_expression, patterns)) or '(?!)'})")

    def which(self, found: re.Match[str]) -> str:
        return next(pattern for pattern, each in self._each if each.match(found.string, found.start()))


def _beginning(key: str, matched: str) -> str:
    """Return as many parts of a key as `matched` has; folding may have changed the number of characters."""
    return "/".join(key.split("/")[: matched.rstrip("/").count("/") + 1])


def _folded(text: str) -> str:
    """Return a text in lower case and NFC, so that names that people see as equal are equal."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def _expression(pattern: str) -> str:
    parts = _folded(pattern).strip("/").split("/")
    inner = (
        "/".join(map(_part, parts)).replace("\0/", "(?:[^/]+/)*").replace("/\0", "(?:/[^/]+)*").replace("\0", "(?s:.*)")
    )
    return inner + ("/" if pattern.endswith("/") else r"(?:/|\Z)")


def _part(part: str) -> str:
    if part == "**":
        return "\0"  # replaced when the slashes around it are known; no path contains it
    made, at = "", 0
    while at < len(part):
        character = part[at]
        if character == "[" and (found := _CLASS.match(part, at)):
            made += f"[{'^/' if found['not'] else ''}{re.escape(found['these'])}]"
            at = found.end()
            continue
        made += {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)
        at += 1
    return made
