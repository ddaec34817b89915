"""Folders for the servers of one run. They are removed at its end, or by the next run if it was killed."""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tools.stack.install import CACHE
from tools.stack.process import Process

RUNS = CACHE / "run"


@contextmanager
def new_run() -> Iterator[Path]:
    """Create a folder for servers; at the end of the block stop every process started in it, and remove it."""
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
    """Stop the processes that were started in a folder, and remove it."""
    for record in folder.rglob("process.json"):
        Process(record.parent).stop()
    shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of killed runs. Runs that begin at the same time do so one after the other."""
    with (RUNS / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_dead()


def _remove_dead() -> None:
    for record in RUNS.glob("test-*/owner.json"):
        if not _is_owned(record):
            # Its owner may be removing it right now.
            with suppress(FileNotFoundError):
                remove_run(record.parent)


def _is_owned(record: Path) -> bool:
    """Return whether the process of a run lives. A missing or incomplete record counts as owned."""
    try:
        owner = json.loads(record.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return True
    try:
        return bool(psutil.Process(owner["pid"]).create_time() == owner["started"])
    except psutil.NoSuchProcess:
        return False
