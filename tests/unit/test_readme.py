"""The README says what there is."""

import re
from pathlib import Path

from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_of_the_readme_is_a_command() -> None:
    section = README.split("## Commands")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `([a-z0-9-]+)", section, flags=re.MULTILINE))
    assert named
    assert named <= get_command(app).commands.keys()  # type: ignore[attr-defined]  # a group, as there are several
