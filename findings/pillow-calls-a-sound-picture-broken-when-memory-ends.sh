#!/usr/bin/env bash
# When memory ends, Pillow says of a sound JPEG 2000 or WebP what it says of a broken one, word for word.
#
# Versions: Pillow 13.0.0 (its wheel for Linux x86-64), numpy 2.4.6. Linux, for RLIMIT_AS.
# Date: 1 December 2026.
#
# What one expects: MemoryError, which Pillow raises for JPEG, PNG and TIFF at every limit that is too low for them.
# What happens: under a limit of the address space (RLIMIT_AS, as `ulimit -v` sets it) a sound JPEG 2000 of 50
# megapixels gives, depending on how much is left, MemoryError, OSError "out of memory when reading image file", or
# OSError "broken data stream when reading image file", the latter with 400 MB above what the process holds, too. A WebP
# gives MemoryError or OSError "could not create decoder object". Half of either file gives those last texts, with
# memory in plenty. An AVIF may give a RuntimeError. With enough memory all of them decode.
#
# What it means if you build on it: a worker with limited memory that puts what is "broken" aside for good, loses sound
# photographs, and not the same ones each time: neither class nor text of the exception tells the two apart. Before you
# believe that such a file is broken, decode it once more where it is alone and memory is known to do: width x height x
# 40 bytes were enough here for both. Even then only what came out sound is certain.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.6

cat >make.py <<'PY'
import numpy as np
from PIL import Image

y, x = np.mgrid[:6000, :8400]
picture = Image.fromarray(np.stack([x // 33 % 256, y // 24 % 256, (x + y) // 60 % 256], -1).astype(np.uint8))
for name in ("jp2", "webp", "avif", "jpg", "png", "tif"):
    picture.save(f"sound.{name}", **{"webp": {"method": 0}, "avif": {"speed": 10}}.get(name, {}))
PY
venv/bin/python make.py
cat >look.py <<'PY'
import os
import resource
import sys
from importlib.metadata import version
from pathlib import Path

from PIL import Image

print(f"Pillow {version('pillow')}")
LIMITS = (10, 50, 100, 200, 300, 400, 500, 600)  # MB above what the process holds
PLENTY = 40 * 8400 * 6000 // 2**20


def answer(path, limit=None):
    """Return what a child process with so many MB more says of a picture."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if limit is not None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            size = pages * resource.getpagesize() + limit * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        try:
            with Image.open(path) as image:
                image.load()
                text = "decoded"
        except Exception as error:
            text = f"{type(error).__name__} {error}".strip()
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


wrong = []
broken = {"jp2": "OSError broken data stream when reading image file",
          "webp": "OSError could not create decoder object"}
for path in sorted(Path().glob("sound.*")):
    name = path.suffix[1:]
    answers = {limit: answer(path, limit) for limit in (*LIMITS, PLENTY)}
    print(f"{name}, {path.stat().st_size:,} bytes:")
    before = None
    for limit, text in answers.items():
        if text != before:
            print(f"  from {limit} MB: {text}", flush=True)
        before = text
    cut = Path(f"half.{name}")
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = answer(cut)
    print(f"  half of the file, no limit: {half if name != 'avif' else half.split()[0]}", flush=True)
    if answers[PLENTY] != "decoded":
        wrong.append(f"{name} with memory")
    if name in broken and (half != broken[name] or broken[name] not in answers.values()):
        wrong.append(name)
    if name in ("jpg", "png", "tif") and set(answers.values()) != {"MemoryError", "decoded"}:
        wrong.append(name)
sys.exit(f"not as described, upstream has changed: {wrong}" if wrong else 0)
PY
venv/bin/python look.py
