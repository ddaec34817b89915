"""The page on security promises what tests hold."""

import re
from pathlib import Path

from tests.support.promql import ROOT

_PAGE = ROOT / "docs" / "operations" / "security.md"
_TEST = re.compile(r"`(test_[a-z0-9_]+)`")


def _section(title: str) -> str:
    return _PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


def _tests(folder: Path) -> set[str]:
    files = folder.rglob("test_*.py")
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}


def test_every_test_that_is_named_exists() -> None:
    named = set(_TEST.findall(_PAGE.read_text(encoding="utf-8")))
    assert len(named) > 50
    assert sorted(named - _tests(ROOT / "tests")) == []


def test_every_promise_is_held_by_a_test() -> None:
    promises = re.findall(r"^- .+?(?=\n- |\n\n|\Z)", _section("What is promised"), re.MULTILINE | re.DOTALL)
    assert len(promises) > 20
    assert [promise.partition("\n")[0] for promise in promises if not _TEST.search(promise)] == []


def test_every_stranger_is_told_apart_by_a_test() -> None:
    strangers = re.findall(r"^\*\*.+?(?=\n\n|\Z)", _section("What a stranger can do"), re.MULTILINE | re.DOTALL)
    assert len(strangers) >= 6
    assert [stranger.partition("**.")[0] for stranger in strangers if not _TEST.search(stranger)] == []
