#!/usr/bin/env bash
# With pillow-jxl-plugin, `Image.open()` of a JPEG XL decodes the whole picture; asking for its size costs all of it.
#
# Versions: pillow-jxl-plugin 1.3.8, Pillow 13.0.0, numpy 2.4.6.
# Date: 30 November 2026.
#
# What one expects: Pillow documents that open() is lazy: it reads the header, and the pixels follow in load(). Programs
# rely on it to look at the size of many pictures, or to decide by width x height what they want to decode.
# What happens: the plugin decodes within open(). For a picture of 24 million pixels open() takes nearly all of the time
# and more memory than the pixels have, before `image.size` can be asked; load() only copies. It needs the whole file,
# too: the first half of one is refused, where the first half of a PNG tells its size.
#
# What it means if you build on it: a check of `image.size` (or Pillow's own limit, which is asked after the plugin) comes
# when the price is paid. Read width and height from the codestream's header yourself before, plan the memory for one
# whole picture per open(), open each file once, and do not "probe" a folder with open().
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.6

cat >write.py <<'PY'
import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image

y, x = np.mgrid[:4000, :6000].astype(np.uint16)
picture = np.stack([x >> 5, y >> 4, (x ^ y) >> 5], -1).astype(np.uint8)
Image.fromarray(picture).save("picture.png", compress_level=1)
Image.fromarray(picture).save("picture.jxl", lossless=True, effort=1)
PY
cat >look.py <<'PY'
import io
import resource
import sys
import time
from pathlib import Path

import pillow_jxl  # noqa: F401
from PIL import Image

data = Path(sys.argv[1]).read_bytes()


def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.monotonic()


def cost(before, after):
    return [after[0] - before[0], after[1] - before[1], after[2] - before[2]]


start = spent()
image = Image.open(io.BytesIO(data))
opened = spent()
size = image.size
image.load()
loaded = spent()
image.close()
try:
    half = Image.open(io.BytesIO(data[: len(data) // 2])).size
except Exception as error:
    half = f"{type(error).__name__}: {error}"
print(repr((size, len(data), cost(start, opened), cost(opened, loaded), half)))
PY
cat >compare.py <<'PY'
import subprocess
import sys
from ast import literal_eval
from importlib.metadata import version

print(f"pillow-jxl-plugin {version('pillow-jxl-plugin')}, Pillow {version('pillow')}")
found = {}
for kind in ("png", "jxl"):
    command = [sys.executable, "look.py", f"picture.{kind}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    size, length, (open_cpu, open_memory, open_wall), (load_cpu, load_memory, load_wall), half = literal_eval(said)
    print(f"{kind}: {size[0]} x {size[1]}, {length:,} bytes, {size[0] * size[1] * 3 / 2**20:.0f} MiB of pixels")
    print(f"  open(): {open_cpu:.2f} s of processor, {open_memory:.0f} MiB more memory, {open_wall:.2f} s")
    print(f"  load(): {load_cpu:.2f} s of processor, {load_memory:.0f} MiB more memory, {load_wall:.2f} s")
    print(f"  open() of the first half of the file: {half}")
    found[kind] = open_cpu, open_memory, load_cpu, size, half
pixels = 6000 * 4000 * 3 / 2**20
lazy = found["png"][1] < pixels / 4 and found["png"][0] < found["png"][2] / 4 and found["png"][4] == (6000, 4000)
eager = found["jxl"][1] > pixels and found["jxl"][0] > found["jxl"][2] * 2 and isinstance(found["jxl"][4], str)
sys.exit(0 if lazy and eager else "not as described: upstream has changed")
PY
venv/bin/python write.py
venv/bin/python compare.py
