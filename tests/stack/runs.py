"""Folders for the servers of one test run, removed at its end, or by the next run where it was killed."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.stack.install import CACHE
from tests.stack.process import Process

RUNS = CACHE / "run"


@contextmanager
def new_run() -> Iterator[Path]:
    """Make a folder for servers; stop at the end whatever was started in it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    _sweep()
    me = psutil.Process()
    folder = Path(tempfile.mkdtemp(dir=RUNS, prefix="test-"))
    (folder / "owner.json").write_text(json.dumps({"pid": me.pid, "started": me.create_time()}))
    try:
        yield folder
    finally:
        remove_run(folder)


def remove_run(folder: Path) -> None:
    """Stop the servers that were started in a folder, and remove it."""
    for record in folder.rglob("process.json"):
        Process(record.parent).stop()
    shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    for record in RUNS.glob("test-*/owner.json"):
        try:
            owner = json.loads(record.read_text())
            alive = psutil.Process(owner["pid"]).create_time() == owner["started"]
        except (psutil.NoSuchProcess, FileNotFoundError, json.JSONDecodeError):  # ended; or swept, or begun, right now
            alive = not record.exists() or record.read_text() == ""
        if not alive:
            remove_run(record.parent)
