"""Seconds of a run over 20,000 known files: unchanged, all touched, and with `--rescan`."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from bench.tables import Table

_FILES = 20_000
_FOLDERS = 200
_SIDE = 32  # pixels; small, because only the number of files matters


def measure() -> Table:
    """Make a library of small pictures without faces, and run over it several times."""
    with tempfile.TemporaryDirectory() as scratch:
        photos, out = Path(scratch) / "photos", Path(scratch) / "result"
        _drawn(photos)
        rows: list[tuple[str, float]] = [("first run", _run(photos, out))]
        rows += [("nothing new", min(_run(photos, out) for _ in range(3)))]
        for path in photos.rglob("*.png"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        rows += [("all files touched", _run(photos, out))]
        if (
            "--rescan"
            in subprocess.run([*_COMMAND, "run", "--help"], check=True, capture_output=True, text=True).stdout
        ):
            rows += [("nothing new, --rescan", _run(photos, out, "--rescan"))]
    notes = [f"{_FILES:,} pictures of {_SIDE} x {_SIDE} pixels without a face, in {_FOLDERS} folders; wall time"]
    return Table("A run over known files", ("run", "seconds"), rows, notes)


_COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]


def _run(photos: Path, out: Path, *options: str) -> float:
    started = time.perf_counter()
    subprocess.run([*_COMMAND, "run", photos, "--out", out, *options], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _drawn(folder: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(_FILES):
        path = folder / f"{number % _FOLDERS:03}" / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)).save(path)
