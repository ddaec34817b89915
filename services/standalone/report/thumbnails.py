"""Small pictures of crops, as text for an HTML page."""

import base64
import io
from collections.abc import Iterable, Iterator

from PIL import Image, UnidentifiedImageError

from shared.errors import ObjectError
from shared.ports.objects import LARGEST_CROP, ObjectStore

# Twice the 80 pixels of a tile, for sharp screens, while the page stays below about 10 MB; with more faces, less.
_FINE, _FINE_UP_TO = 160, 2_000
_COARSE = 80
_QUALITY = 70  # of 100; 80 pixels then take 1 to 2 kB. Method 4 takes a third longer and saves 3 %.


def thumbnail_width(faces: int) -> int:
    """Return the width in pixels of the thumbnails of a report with this number of faces."""
    return _FINE if faces <= _FINE_UP_TO else _COARSE


def thumbnails(objects: ObjectStore, bucket: str, crop_keys: Iterable[str], width: int) -> Iterator[str]:
    """Yield a square WebP of `width` pixels in base64 for each crop; an empty text if it cannot be read."""
    for key in crop_keys:
        try:
            with Image.open(io.BytesIO(objects.get(bucket, key, LARGEST_CROP).data)) as crop:
                picture = crop.convert("RGB").resize((width, width), Image.Resampling.LANCZOS)
        except (ObjectError, UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            yield ""  # the face stays on the page, without its picture
            continue
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=_QUALITY, method=2)
        yield base64.b64encode(file.getvalue()).decode("ascii")
