"""Every command first refuses settings that no part of facestream reads, such as misspelt ones."""

import os
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from typer.core import TyperGroup

_PREFIX = "FACESTREAM_"


class CheckedGroup(TyperGroup):
    """A group of commands, and of groups of commands, each of which begins with `check_settings`.

    `--help` does not check: it must work while a setting is wrong.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        _check_first(self)


def check_settings() -> None:
    """Refuse `FACESTREAM_*` variables that no part of facestream reads; raises `InvalidInput`.

    The settings of a module are known after its import. So the modules of the sections that the environment names are
    imported, or those of all sections if it names an unknown one. If no variable is set, nothing is imported.
    """
    names = [name for name in os.environ if name.startswith(_PREFIX)]
    if not names:
        return
    # Not at the top: --help need not wait for it.
    from shared.settings import SECTIONS, check_environment  # noqa: PLC0415

    named = {section for section in SECTIONS for name in names if name.startswith(f"{_PREFIX}{section}_")}
    known = (*(f"{_PREFIX}{section}_" for section in SECTIONS), f"{_PREFIX}TEST_")
    for section in named if all(name.startswith(known) for name in names) else SECTIONS:
        try:
            import_module(SECTIONS[section])
        except ModuleNotFoundError as error:
            # An installation without the libraries of the stream is enough for folders; its settings are not checked.
            if (error.name or "").partition(".")[0] in {"cli", "services", "shared"}:
                raise
    check_environment()


def _check_first(group: TyperGroup) -> None:
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            _check_first(command)
        elif command.callback is not None:
            command.callback = _checked(command.callback)


def _checked(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        check_settings()
        return command(*arguments, **options)

    return checked
