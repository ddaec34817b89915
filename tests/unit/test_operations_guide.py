"""The operations guide names what there is: settings, metrics, commands, files, sections."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from cli.main import app
from docs.make_configuration import variables
from shared.domain.topics import TOPICS
from shared.settings import PLAIN_VARIABLES
from tests.support.queries import ROOT, known

PAGES = sorted((ROOT / "docs" / "operations").glob("*.md"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_file_and_a_section_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text(encoding="utf-8"))
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_metric_command_and_topic_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"FACESTREAM_[A-Z_]+[A-Z]", text)) - PLAIN_VARIABLES.keys() <= variables().keys()
    assert set(re.findall(r"\bfacestream_[a-z_]+[a-z]", text)) <= set(known())
    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, as there are several
    assert set(re.findall(r"`facestream ([a-z-]+)", text)) <= commands.keys()
    topics = {topic.name for topic in TOPICS}
    assert set(re.findall(r"`((?:images|faces|clusters|generations)\.[a-z]+)`", text)) <= topics


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:deploy|docs|shared)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
