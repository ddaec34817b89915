"""The command in this process, and golden events: what tests of the operator's commands work with."""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app


@dataclass(frozen=True)
class Command:
    """What a command ended with: exit status, lines of its output, its error."""

    status: int
    lines: list[str]
    error: str


def facestream_in_process(*arguments: str | Path) -> Command:
    """Run the command without the seconds that a new process takes; an error that it raises is its error text."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    raised = result.exception if not isinstance(result.exception, SystemExit) else None
    return Command(result.exit_code, result.stdout.splitlines(), str(raised) if raised else result.stderr)
