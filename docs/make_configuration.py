# ruff: noqa: INP001  a script beside the documents, no package
"""Write `docs/configuration.md`, the page of all settings, from the settings classes.

python -m docs.make_configuration
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from typer.core import TyperGroup
from typer.main import get_command

from cli.main import app
from docs.settings_readers import Definition, readers
from docs.tables import table
from shared.settings import PLAIN_VARIABLES, DefaultText, Settings, Unit, variables_of
from tools.settings_classes import product_settings

TARGET = Path(__file__).with_name("configuration.md")
_SERVICES = ("detector", "quality", "embedder", "assigner", "reclusterer")
_TYPES = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters",
    "pattern": "must match `{}`",
}
_HEAD = """\
# Configuration

<!-- Made by `python -m docs.make_configuration` from the settings classes; change their descriptions instead. -->

Every setting is an environment variable. A program reads its settings once, at its start, and ends with status 2 if a
value is not allowed. A variable that begins with `FACESTREAM_` and that no program knows is refused, with the name of
the nearest setting.

A variable that is not set may be given as a file: set `FACESTREAM_SECRETS_DIR` to a folder, and put the value into a
file with the variable's name. Use this for secrets. The value of a secret is never printed or logged.
"""


def groups() -> list[type[Settings]]:
    """Return all settings classes, in the order of their variables."""
    return sorted(product_settings(), key=lambda settings: (settings.model_config["env_prefix"], settings.__qualname__))


def variables() -> dict[str, tuple[type[Settings], str]]:
    """Return the settings class and the field of each variable that a settings class reads."""
    return {name: (settings, field) for settings in groups() for name, field in variables_of(settings).items()}


def reading() -> Mapping[str, frozenset[str]]:
    """Return which settings classes and plain variables each program reads, by the program's name."""
    entries: dict[str, Definition] = {name: (f"services.{name}.__main__", "main") for name in _SERVICES}
    entries |= {f"facestream {name}": function for name, function in _commands(get_command(app))}
    return readers(entries, {(one.__module__, one.__qualname__): one.__qualname__ for one in groups()})


def text() -> str:
    """Return the page."""
    read = reading()
    parts = [_HEAD, "\n## Who reads what\n\n", _programs(read), "\n## Variables without a group\n\n"]
    parts.append(
        table(
            ("variable", "read by", "meaning"),
            ((f"`{name}`", _by(name, read), description) for name, description in PLAIN_VARIABLES.items()),
        )
    )
    for settings in groups():
        _, _, more = inspect.cleandoc(settings.__doc__ or "").partition(".")
        parts.append(f"\n## {_title(settings)}\n\n")
        parts.append(f"{more.strip()}\n\n" if more else "")
        parts.append(f"Read by {_by(settings.__qualname__, read)}.\n\n")
        parts.append(table(("variable", "value", "default", "meaning"), _rows(settings)))
    return "".join(parts)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield each command with its function."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{before}{name} ")
        else:
            function = inspect.unwrap(command.callback)
            yield f"{before}{name}", (function.__module__, function.__qualname__)


def _programs(read: Mapping[str, frozenset[str]]) -> str:
    """Return a table of the programs and the groups that they read; programs that read the same share a row."""
    sections = {settings.__qualname__: f"[{_title(settings)}](#{_anchor(settings)})" for settings in groups()}
    alike: dict[frozenset[str], list[str]] = {}
    for program, classes in read.items():
        alike.setdefault(frozenset(classes & sections.keys()), []).append(program)
    return table(
        ("program", "groups"),
        (
            (_listed(programs), ", ".join(sections[name] for name in sections if name in classes) or "none")
            for classes, programs in alike.items()
        ),
    )


def _by(name: str, read: Mapping[str, frozenset[str]]) -> str:
    by = [program for program, names in read.items() if name in names]
    return "every program that reads settings" if name == "FACESTREAM_SECRETS_DIR" else _listed(by)


def _listed(programs: Iterable[str]) -> str:
    return ", ".join(f"`{program}`" if " " in program else program for program in programs)


def _title(settings: type[Settings]) -> str:
    return (settings.__doc__ or "").partition(".")[0]


def _anchor(settings: type[Settings]) -> str:
    return _title(settings).lower().replace(" ", "-").replace(",", "")


def _rows(settings: type[Settings]) -> Iterator[tuple[str, ...]]:
    schemas = settings.model_json_schema()["properties"]
    for name, field in settings.model_fields.items():
        schema = schemas[name]
        kind = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), {}) | schema
        unit = next((about.name for about in field.metadata if isinstance(about, Unit)), "")
        words = next((about.text for about in field.metadata if isinstance(about, DefaultText)), "")
        default = words or ("required" if field.is_required() else _default(field.default))
        yield (
            f"`{settings.model_config['env_prefix']}{name.upper()}`",
            ", ".join([*_value(kind), *([unit] if unit else []), *_limits(kind)]),
            default,
            field.description or "",
        )


def _value(kind: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a value is, in words."""
    if "enum" in kind:
        yield f"one of {', '.join(f'`{choice}`' for choice in kind['enum'])}"
    elif kind.get("format") == "path":
        yield "path"
    elif kind.get("format") == "password":
        yield "text"
        yield "**secret**"
    else:
        yield _TYPES[kind["type"]]
    if kind.get("minLength"):
        yield "not empty"


def _limits(kind: Mapping[str, Any]) -> Iterator[str]:
    yield from (words.format(_limit(kind[name])) for name, words in _LIMITS.items() if name in kind)


def _limit(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, int | float) else str(value).replace("|", "\\|")


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    if value == "":
        return "empty"
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
