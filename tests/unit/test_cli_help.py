"""The help of every command and option is a sentence that can be read alone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app

_SENTENCE = re.compile(r"[A-Z].*\.", flags=re.DOTALL)


def _commands(command: Any, name: str = "facestream") -> Iterator[tuple[str, Any]]:
    yield name, command
    if isinstance(command, TyperGroup):
        for part, inner in command.commands.items():
            yield from _commands(inner, f"{name} {part}")


_COMMANDS = dict(_commands(get_command(app)))
_PARAMETERS = [
    (f"{name} {parameter.name}", parameter) for name, command in _COMMANDS.items() for parameter in command.params
]


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_help_of_a_command_is_a_sentence_and_its_first_line_as_well(name: str) -> None:
    text = _COMMANDS[name].help
    assert _SENTENCE.fullmatch(text.strip())
    first, _, _ = text.partition("\n\n")
    assert _SENTENCE.fullmatch(first.strip())
    assert len(first.split()) >= 4


@pytest.mark.parametrize(("name", "parameter"), _PARAMETERS, ids=[name for name, _ in _PARAMETERS])
def test_the_help_of_an_argument_or_option_is_a_sentence(name: str, parameter: Any) -> None:
    assert _SENTENCE.fullmatch(parameter.help), name
    assert len(parameter.help.split()) >= 3


@pytest.mark.parametrize("name", _COMMANDS)
def test_help_is_printed_with_every_option(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split()[1:], "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for parameter in _COMMANDS[name].params:
        assert parameter.help.split(". ")[0][:40] in re.sub(r"[│\s]+", " ", result.output)
