"""The page for readers of the events: its tables are those of today, and what it names is there."""

import re

import pytest
from typer.main import get_command

from cli.main import app
from docs.make_events import TARGET, made
from shared.domain.topics import TOPICS
from tests.support.documents import Page
from tests.support.queries import ROOT, known

_PAGE = TARGET.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code_of_today() -> None:
    assert made(_PAGE) == _PAGE, "run `python -m docs.make_events`"


def test_a_table_without_a_place_is_missed() -> None:
    with pytest.raises(ValueError, match="one place for the table of topics, found 0"):
        made(_PAGE.replace("<!-- topics:", "<!--"))


def test_an_old_table_is_replaced() -> None:
    assert made(_PAGE.replace("| `faces.assigned` |", "| `faces.known` |")) == _PAGE


def test_every_topic_command_metric_and_setting_that_is_named_exists() -> None:
    topics = {topic.name for topic in TOPICS}
    named = set(re.findall(r"`((?:images|faces|clusters|generations)\.[a-z]+)`", _PAGE))
    assert {topic.name for topic in TOPICS if topic.cleanup == "compact"} <= named <= topics
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, as there are several
    assert set(re.findall(r"`facestream ([a-z-]+)", _PAGE)) <= commands.keys()
    assert set(re.findall(r"\bfacestream_[a-z_]+[a-z]", _PAGE)) <= set(known())


def test_every_link_and_file_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", _PAGE)
    assert links
    for file, anchor in links:
        target = TARGET.parent / file if file else TARGET
        assert target.exists(), file
        assert not anchor or anchor in Page.read(target).anchors(), f"{file}#{anchor}"
    assert [name for name in re.findall(r"`((?:docs|tests)/[\w./-]+)`", _PAGE) if not (ROOT / name).exists()] == []
