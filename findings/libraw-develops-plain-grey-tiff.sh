#!/usr/bin/env bash
# LibRaw takes an ordinary 16-bit grey TIFF for a camera's raw file, and develops it into a colour picture.
#
# Versions: rawpy 0.28.0 (LibRaw 0.22.2 inside), tifffile 2026.3.3, imagecodecs 2026.3.6, numpy 2.4.6.
# Date: 30 November 2026.
#
# What one expects: raw files have a maker, a mosaic pattern, a raw photometric interpretation; a TIFF without any of
# them is refused with LibRawFileUnsupportedError, as 8-bit, RGB and compressed TIFFs are.
# What happens: one uncompressed 16-bit channel is enough. `rawpy.imread` opens such a file (a scan, a depth map, an X-ray)
# without a warning, says that it has a Bayer mosaic of three colours, and `postprocess()` interpolates colours, balances
# white and brightens: fine grey stripes come out coloured. "White is zero" is ignored, so such a picture comes out as a
# negative, and of a big-endian file the two bytes of every sample are exchanged. With LZW or deflate it is refused.
#
# What it means if you build on it: "LibRaw opens it" is no test for "it is a raw file", so do not try LibRaw before (or
# as the fallback of) the ordinary TIFF reader. Decide by the file's tags: Make, DNGVersion, PhotometricInterpretation
# 32803 or 34892. What such a file lacks shows here too: the white balance of the camera has 0 for red and for blue.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check rawpy==0.28.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6

cat >look.py <<'PY'
import io
import sys
from importlib.metadata import version

import numpy as np
import rawpy
import tifffile

print(f"rawpy {version('rawpy')}, LibRaw {'.'.join(map(str, rawpy.libraw_version))}, tifffile {version('tifffile')}")
ramp = np.tile(np.linspace(0, 65535, 300).astype(np.uint16), (200, 1))
stripes = np.tile(np.array([0, 0xC000], np.uint16), (200, 150))


def tiff(pixels, **how):
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, metadata=None, software=False, **({"photometric": "minisblack"} | how))
    with tifffile.TiffFile(io.BytesIO(out.getvalue())) as file:
        return out.getvalue(), sorted(file.pages[0].tags.keys())


wrong = []


def check(what, holds):
    print(f"  {'yes' if holds else 'NO '} {what}")
    if not holds:
        wrong.append(what)


def opened(data):
    try:
        return rawpy.imread(io.BytesIO(data))
    except rawpy.LibRawFileUnsupportedError:
        return None


data, tags = tiff(ramp)
print("tags of the plain file:", tags)
with opened(data) as raw:
    print("LibRaw says:", raw.raw_type, "colours", raw.num_colors, raw.color_desc, "pattern", raw.raw_pattern.tolist(),
          "white balance of the camera", raw.camera_whitebalance)
    check("the samples are those of the file", (raw.raw_image == ramp).all())
    check("it claims a mosaic of three colours", raw.num_colors == 3 and raw.raw_pattern.tolist() == [[0, 1], [3, 2]])
    check("the white balance of the camera has neither red nor blue",
          raw.camera_whitebalance[0] == raw.camera_whitebalance[2] == 0)
    developed = raw.postprocess()
    print("  from black to white, 8 bits of the file:", (ramp[100, 30::60] >> 8).tolist(),
          "developed:", developed[100, 30::60].tolist())
    check("the developed picture has three channels and is brighter", developed.shape == (200, 300, 3)
          and developed[100, 60:240].mean() > (ramp[100, 60:240] >> 8).mean() + 20)
with opened(tiff(stripes)[0]) as raw:
    developed = raw.postprocess().astype(int)
    print("  grey stripes, one column each, developed (R, G, B):", developed[100, 150:152].tolist())
    check("grey stripes become colours", np.abs(developed[..., 0] - developed[..., 2])[20:-20, 20:-20].min() > 50)
with opened(tiff(ramp, photometric="miniswhite")[0]) as raw:
    check("'white is zero' is ignored", raw.postprocess()[100, 280].min() > raw.postprocess()[100, 20].max())
with opened(tiff(ramp, byteorder=">")[0]) as raw:
    check("the bytes of a big-endian file are exchanged", (raw.raw_image == ramp.byteswap()).all())
for what, other in {"LZW": tiff(ramp, compression="lzw"), "deflate": tiff(ramp, compression="deflate"),
                    "8 bits": tiff((ramp >> 8).astype(np.uint8)),
                    "16-bit RGB": tiff(np.dstack([ramp] * 3), photometric="rgb")}.items():
    check(f"with {what} it is refused", opened(other[0]) is None)
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py
