"""Every Markdown page leads somewhere and names what there is: commands, targets, modules, settings, metrics, files."""

from collections.abc import Callable

import pytest

from docs.make_configuration import variables
from shared.domain.topics import TOPICS
from shared.settings import PLAIN_VARIABLES
from tests.support.markdown_pages import (
    PAGES,
    ROOT,
    Page,
    broken_links,
    commands_in_tables,
    every_command,
    unreached,
    wrong_commands,
    wrong_files,
    wrong_modules,
    wrong_settings,
    wrong_targets,
    wrong_words,
)
from tests.support.promql import known

README = ROOT / "README.md"
_LARGEST_README = 10_240  # bytes
_METRIC = r"\bfacestream_[a-z_]+[a-z]"
_TOPIC = r"`((?:images|faces|clusters|generations)\.[a-z]+)`"

pages = pytest.mark.parametrize(
    "page", [Page.read(page) for page in PAGES], ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def metrics() -> set[str]:
    """The names of all series, and those of histograms as they are declared."""
    return {*known(), *(name.removesuffix("_bucket") for name in known())}


def settings() -> set[str]:
    return {*PLAIN_VARIABLES, *variables()}


@pages
def test_every_link_leads_to_a_file_and_a_section_that_are_there(page: Page) -> None:
    assert broken_links(page) == []


@pages
def test_every_command_that_is_shown_is_one_with_the_options_that_are_shown(page: Page) -> None:
    assert wrong_commands(page) == []


@pages
def test_every_target_and_module_that_is_shown_can_be_run(page: Page) -> None:
    assert wrong_targets(page) == []
    assert wrong_modules(page) == []


@pages
def test_every_setting_metric_and_topic_that_is_named_exists(page: Page) -> None:
    assert wrong_settings(page, settings()) == []
    assert wrong_words(page, _METRIC, metrics()) == []
    assert wrong_words(page, _TOPIC, {topic.name for topic in TOPICS}) == []


@pages
def test_every_file_that_is_named_is_there(page: Page) -> None:
    assert wrong_files(page) == []


def test_the_readme_is_short() -> None:
    assert README.stat().st_size <= _LARGEST_README


def test_the_readme_and_the_page_on_commands_have_every_command() -> None:
    assert commands_in_tables(Page.read(README)) == every_command()
    assert every_command() - commands_in_tables(Page.read(ROOT / "docs" / "commands.md")) == set()


def test_every_page_is_reached_from_the_readme() -> None:
    assert unreached(README, PAGES) == []
    lost = ROOT / "docs" / "no-page-leads-here.md"
    assert unreached(README, [*PAGES, lost]) == [lost]


def test_a_page_that_is_read_has_what_is_looked_for() -> None:
    page = Page(ROOT / "page.md", "# A `b`, c\n\n# A b c\n\n[x](#a-b-c-1)\n\n```\n$ make \\\n  x\n```\n\n`y`\n")
    assert page.anchors() == {"a-b-c", "a-b-c-1"}
    assert list(page.links()) == ["#a-b-c-1"]
    assert page.code_lines() == ["make    x"]
    assert page.code_spans() == ["b", "y"]


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (broken_links, "[x](docs/no-such-page.md)"),
        (broken_links, "[x](README.md#no-such-section)"),
        (broken_links, "# Here\n\n[x](#there)"),
        (broken_links, "# Here\n\n[x](#here) [y](#here-1)"),
        (broken_links, "![x](docs/images/no-such-picture.png)"),
        (broken_links, "[x](../elsewhere.md)"),
        (broken_links, "[x](two words.md)"),
        (broken_links, "[x](LICENSE#section)"),
        (wrong_commands, "    facestream no-such-command\n"),
        (wrong_commands, "    facestream generations no-such-command\n"),
        (wrong_commands, "```\n$ facestream run photos --out people --no-such-option\n```\n"),
        (wrong_commands, "```\nfacestream run photos one-too-many --out people\n```\n"),
        (wrong_commands, "```\nfacestream run photos  # without --out\n```\n"),
        (wrong_commands, "```\n.venv/bin/facestream wach\n```\n"),
        (wrong_commands, "```\nA=1 facestream wach && echo\n```\n"),
        (wrong_commands, "```\ndocker compose run --rm cli ingests /photographs\n```\n"),
        (wrong_commands, "```\ndocker compose run --rm init facestream inits\n```\n"),
        (wrong_commands, "`facestream reconcile --unreadabel`"),
        (wrong_commands, "`facestream reconcile --unreadabel --every`"),
        (wrong_commands, "```\nfacestream reconcile --every\n```\n"),
        (wrong_commands, "`facestream ... wach`, `facestream wach ...`"),
        (wrong_commands, "| command |\n|---|\n| `generations list`, `shows` |\n"),
        (wrong_commands, "| command |\n|---|\n| `detect --no-such-option` |\n"),
        (wrong_targets, "`make no-such-target`"),
        (wrong_targets, "```\nmake no-such-target    # comment\n```\n"),
        (wrong_modules, "`python -m services.no_such_service`"),
        (wrong_modules, "`python -m services`"),
        (wrong_modules, "```\npython -m no_such_package.module\n```\n"),
        (wrong_files, "`shared/no_such_file.py`"),
    ],
)
def test_a_mistake_is_found(check: Callable[[Page], list[str]], text: str) -> None:
    assert len(check(Page(ROOT / "page.md", text))) == 1


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (broken_links, "[a](LICENSE) [b](docs) [c](https://example.org/#x) [d](README.md#quick-start)"),
        (wrong_commands, "```\nfacestream run photos --out people --min_cluster_size 5 -h\n```\n"),
        (wrong_commands, "```\ndocker compose run --rm cli --help\nfacestream: a word\n```\n"),
        (wrong_commands, "`facestream generations ... --result` `facestream COMMAND --help` `facestream --version`"),
        (wrong_commands, "`facestream reconcile --every`"),
        (wrong_targets, "`make test` and make haste"),
        (wrong_modules, "`python -m services.detector` `python -m bench memory` `python -m shared.stream.probe`"),
        (wrong_files, "`services/<name>/step.py` `deploy/prometheus/tests/*.yml` `docs`"),
    ],
)
def test_what_is_right_is_no_mistake(check: Callable[[Page], list[str]], text: str) -> None:
    assert check(Page(ROOT / "page.md", text)) == []


def test_a_setting_metric_or_topic_that_is_unknown_is_found() -> None:
    names = "FACESTREAM_A_B FACESTREAM_A_C FACESTREAM_A_... FACESTREAM_B_*"
    page = Page(ROOT / "page.md", f"{names} facestream_photos_total facestream_x_total `faces.x` `faces.y`")
    assert wrong_settings(page, {"FACESTREAM_A_B"}) == ["FACESTREAM_A_C", "FACESTREAM_B_*"]
    assert wrong_words(page, _METRIC, {"facestream_photos_total"}) == ["facestream_x_total"]
    assert wrong_words(page, _TOPIC, {"faces.y"}) == ["faces.x"]


def test_a_readme_without_a_command_is_found() -> None:
    page = Page(README, README.read_text(encoding="utf-8").replace("| `watch` |", "| watch |"))
    assert every_command() - commands_in_tables(page) == {"watch"}
