"""The sample photographs, and the command `facestream` as a process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / ".cache" / "samples"
FACESTREAM = Path(sys.prefix) / "bin" / "facestream"
PEOPLE = ("ben_afflek", "elton_john", "jerry_seinfeld", "madonna", "mindy_kaling")


def sample_photos(person: str) -> list[Path]:
    """Return the sample photographs of one person; FileNotFoundError unless `make setup` has downloaded them."""
    photos = sorted((SAMPLES / person).glob("*.jpg"))
    if not photos:
        msg = f"{SAMPLES}: expected the sample photographs, found none; run `make setup`"
        raise FileNotFoundError(msg)
    return photos


def link_photos(folder: Path, *photos: Path) -> None:
    """Link photographs into a folder as `<person>/<file>`, or copy them where links are impossible."""
    for photo in photos:
        target = folder / photo.parent.name / photo.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(photo, target)
        except OSError:
            target.write_bytes(photo.read_bytes())
            os.utime(target, ns=(photo.stat().st_atime_ns, photo.stat().st_mtime_ns))


def run_facestream(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with further environment variables, and return its output and exit status."""
    return subprocess.run(
        [FACESTREAM, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=570,
    )
