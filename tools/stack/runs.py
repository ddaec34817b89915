"""Folders for the servers of one test run, removed at its end, or by the next run where it was killed."""

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
    """Remove what killed runs have left; of several test runs that begin at once, one after the other."""
    with (RUNS / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_dead()


def _remove_dead() -> None:
    for record in RUNS.glob("test-*/owner.json"):
        if not _is_owned(record):
            # Its owner may remove it right now, having seen no sign of its own end.
            with suppress(FileNotFoundError):
                remove_run(record.parent)


def _is_owned(record: Path) -> bool:
    """Say whether the run's process lives; a record that is gone, or not yet whole, is somebody's."""
    try:
        owner = json.loads(record.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return True
    try:
        return bool(psutil.Process(owner["pid"]).create_time() == owner["started"])
    except psutil.NoSuchProcess:
        return False
