"""The command `facestream`, run in the process of the test."""

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


def main_in_process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `tools.samples.run_facestream` does, with its exit status, output and error line."""
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
