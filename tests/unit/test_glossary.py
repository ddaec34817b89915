"""The code of the product uses the words of docs/glossary.md, and none that it retired."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
_FOLDERS = ("bench", "cli", "deploy", "services", "shared", "tests/support", "tools")
_FILES = sorted(file for folder in _FOLDERS for file in (ROOT / folder).rglob("*.py"))
# Keys of JSON that users depend on, and terms of SQLite and Kubernetes.
_KEPT = ('"place"', "`place`", "write-ahead", "write_ahead", "topologySpread")


def retired() -> list[str]:
    """Return the words of the last table, its first column."""
    table = _GLOSSARY.partition("## Words that are not used")[2]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    return [word.strip() for row in rows[1:] for word in row.split(",")]


def uses(text: str, words: list[str]) -> Iterator[str]:
    """Yield each line in which one of the words stands: alone, or as a part of a name in snake or camel case."""
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        plain = line
        for kept in _KEPT:
            plain = plain.replace(kept, "")
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain).replace("_", " ")
        if found := pattern.search(plain):
            yield f"{number}: {found[0]}: {line.strip()}"


def test_no_retired_word_is_used_in_the_product_and_its_tools() -> None:
    found = [f"{file.relative_to(ROOT)}:{use}" for file in _FILES for use in uses(file.read_text("utf-8"), retired())]
    assert found == []


def test_the_table_of_retired_words_is_read() -> None:
    assert {"place", "told", "longest silence", "regrouping"} <= set(retired())


@pytest.mark.parametrize(
    "line", ["place = 1", "last_told = 1", "class OfPlaces: ...", "# what it says", '"""Whoever."""', "longest_silence"]
)
def test_a_retired_word_is_found_in_names_comments_and_docstrings(line: str) -> None:
    assert len(list(uses(line, retired()))) == 1


@pytest.mark.parametrize("line", ["replace(a)", "placeholder = 1", "essays", "untold = 1"])
def test_a_word_that_only_contains_a_retired_one_is_none(line: str) -> None:
    assert not list(uses(line, retired()))
