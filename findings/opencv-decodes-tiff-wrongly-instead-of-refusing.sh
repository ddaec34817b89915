#!/usr/bin/env bash
# OpenCV answers a TIFF in JPEG XL or JPEG 2000 with a black picture of the right size, where it should answer None.
#
# Versions: opencv-python-headless 5.0.0.93 (libtiff 4.7.1 inside), tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2.4.6.
# Date: 30 November 2026.
#
# What one expects: `cv2.imdecode` returns None for a picture that it cannot decode; every caller tests for that.
# For a TIFF compressed with Zstandard, LZMA or WebP, which this build lacks too, it does so.
# What happens: for an 8-bit RGB TIFF whose strips or tiles are JPEG XL (50002) or JPEG 2000 (34712), it returns an array
# of the right shape and type in which every pixel is 0. There is no exception; libtiff's complaint goes to stderr only.
# That the build reads .jp2 files does not help: libtiff needs its own decoder for that.
#
# What it means if you build on it: "not None" does not mean "decoded". Read the TIFF's tag 259 (Compression) first and
# let OpenCV have only what you know it decodes, or doubt a picture in which nothing is brighter than 0. Otherwise a
# photograph counts as seen and empty (no face, no text, no barcode), and nobody ever looks at it again.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check \
  opencv-python-headless==5.0.0.93 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6

cat >look.py <<'PY'
import io
import sys
from importlib.metadata import version

import cv2
import numpy as np
import tifffile

print(f"OpenCV {cv2.__version__}, tifffile {version('tifffile')}, imagecodecs {version('imagecodecs')}")
y, x = np.mgrid[:200, :300]
picture = np.stack([1 + x * 254 // 299, 1 + y * 254 // 199, 255 - x * 254 // 299], -1).astype(np.uint8)
print(f"the picture: {picture.shape}, darkest {picture.min()}, brightest {picture.max()}, mean {picture.mean():.1f}")


def answer(data, flag):
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if found is None:
        return "None"
    if found.shape == picture.shape and (found[..., ::-1] == picture).all():
        return "the picture"
    return f"{found.dtype} {found.shape} all {found.max()}" if found.min() == found.max() else "another picture"


black = f"uint8 {picture.shape} all 0"
expected = {"none": "the picture", "lzw": "the picture", "deflate": "the picture", "zstd": "None", "lzma": "None",
            "webp": "None", "jpegxl": black, "jpeg2000": black}
as_described = True
for name, wanted in expected.items():
    for layout in ({"rowsperstrip": 50}, {"tile": (64, 64)}):
        out = io.BytesIO()
        how = {} if name == "none" else {"compression": name}
        if name == "webp":
            how["compressionargs"] = {"lossless": True}
        tifffile.imwrite(out, picture, photometric="rgb", **layout, **how)
        if not (tifffile.imread(io.BytesIO(out.getvalue())) == picture).all():
            sys.exit(f"the file in {name} is not a sound one: the script itself is wrong")
        got = {answer(out.getvalue(), flag) for flag in (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED)}
        print(f"  {name:9}{'tiles' if 'tile' in layout else 'strips':8}tifffile: the picture   OpenCV: {', '.join(got)}")
        as_described &= got == {wanted}
sys.exit(0 if as_described else "not as described: upstream has changed")
PY
venv/bin/python look.py 2>said.txt || { cat said.txt; exit 1; }
echo "on stderr:"
grep -o 'TIFF_Error Compression scheme .*' said.txt | sort | uniq -c
