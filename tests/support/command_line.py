"""The command `facestream`, run in the process of the test."""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app


@dataclass(frozen=True)
class Command:
    """The result of a command: exit status, lines of standard output, and the text of its error."""

    status: int
    lines: list[str]
    error: str


def facestream_in_process(*arguments: str | Path) -> Command:
    """Run the command without starting a process, which would take seconds.

    The error is that of the raised exception, or what was written to standard error.
    """
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    raised = result.exception if not isinstance(result.exception, SystemExit) else None
    return Command(result.exit_code, result.stdout.splitlines(), str(raised) if raised else result.stderr)
