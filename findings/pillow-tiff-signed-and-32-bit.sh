#!/usr/bin/env bash
# Pillow reads a TIFF of signed bytes as unsigned, and lets large unsigned 32-bit samples wrap to negative ones.
#
# Versions: Pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6.
# Date: 30 November 2026.
#
# What one expects: sample values as written, or UnidentifiedImageError, which Pillow does raise for TIFFs of 16-bit and
# 64-bit floats. Signed 16-bit, signed 32-bit and unsigned 16-bit samples are read as they are.
# What happens: signed 8-bit samples (SampleFormat 2) open as mode "L", and -1 becomes 255, brighter than 127: what was
# darkest is now bright. Unsigned 32-bit samples open as mode "I", which is signed, and from 2^31 on they come back
# negative; converted to "L" or "RGB" the brightest pixels turn black. No exception, no warning.
# Of all that, the image says nothing afterwards: mode and extrema look sound, only tag 339 still tells.
#
# What it means if you build on it: before you trust pixels of a TIFF that others wrote (measurements, elevation, masks),
# look at `image.tag_v2.get(339)` and `image.tag_v2.get(258)`: for (2,) with (8,) view the array as int8; for (32,)
# with (1,), or with None, which means the same, as uint32. The bits are right: both views give the values written.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6

cat >look.py <<'PY'
import io
import sys
import warnings
from importlib.metadata import version

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

warnings.simplefilter("error")
print(f"Pillow {version('pillow')}, tifffile {version('tifffile')}")
cases = [  # type, samples written, mode, samples read, as 8-bit grey
    ("int8", [-128, -1, 0, 1, 127], "L", [128, 255, 0, 1, 127], [128, 255, 0, 1, 127]),
    ("uint32", [0, 1, 2**31 - 1, 2**31, 2**32 - 1], "I", [0, 1, 2**31 - 1, -(2**31), -1], [0, 1, 255, 0, 0]),
    ("int16", [-32768, -1, 0, 32767], "I", [-32768, -1, 0, 32767], None),
    ("int32", [-(2**31), -1, 0, 2**31 - 1], "I", [-(2**31), -1, 0, 2**31 - 1], None),
    ("uint16", [0, 32768, 65535], "I;16", [0, 32768, 65535], None),
    ("float16", [0, 0.5, 1], None, None, None),
    ("float64", [0, 0.5, 1], None, None, None),
]
as_described = True
for kind, written, mode, wanted, wanted_grey in cases:
    out = io.BytesIO()
    pixels = np.array([written] * 4, kind)
    tifffile.imwrite(out, pixels, photometric="minisblack", metadata=None)
    if not (tifffile.imread(io.BytesIO(out.getvalue())) == pixels).all():
        sys.exit("the file is not a sound one: the script itself is wrong")
    try:
        image = Image.open(io.BytesIO(out.getvalue()))
        image.load()
    except UnidentifiedImageError:
        print(f"  {kind:8}{written} refused")
        as_described &= mode is None
        continue
    read = np.asarray(image)
    print(f"  {kind:8}{written} read as mode {image.mode}: {read[0].tolist()}", end="")
    as_described &= image.mode == mode and read[0].tolist() == wanted
    if wanted_grey:
        grey = np.asarray(image.convert("L"))[0].tolist()
        print(f", converted to L: {grey}, tags 339 and 258: {image.tag_v2.get(339)} {image.tag_v2.get(258)}", end="")
        as_described &= grey == wanted_grey and (read.view(kind) == pixels).all()
    print()
sys.exit(0 if as_described else "not as described: upstream has changed")
PY
venv/bin/python look.py
