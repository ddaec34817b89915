"""The command in this process, without the seconds that a new process needs for its imports."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from cli.main import app, main


@dataclass(frozen=True)
class Command:
    """What a command ended with: exit status, lines of its output, its error."""

    status: int
    lines: list[str]
    error: str


def facestream_in_process(*arguments: str | Path) -> Command:
    """Run a command; an error that it raises is its error text."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    raised = result.exception if not isinstance(result.exception, SystemExit) else None
    return Command(result.exit_code, result.stdout.splitlines(), str(raised) if raised else result.stderr)


def main_in_process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as `tools.samples.run_facestream` does: with the program's own exit status and error line."""
    words = ["facestream", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", words),
        patch.dict(os.environ, environment),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    status = end.value.code or 0
    assert isinstance(status, int)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())
