"""Small pictures of crops, as text that fits into a page."""

import base64
import io
from collections.abc import Iterable, Iterator

from PIL import Image, UnidentifiedImageError

from shared.errors import ObjectError
from shared.ports.objects import LARGEST_CROP, ObjectStore

# Sharp at twice the 80 pixels of a tile while the page stays below some 10 MB; with more faces, weight counts.
_FINE, _FINE_UP_TO = 160, 2_000
_COARSE = 80
_QUALITY = 70  # of 100; 80 pixels then take 1 to 2 kB. Method 4 takes a third longer for 3 % less.


def thumbnail_width(faces: int) -> int:
    """Return the width of thumbnails, in pixels, for a report of so many faces."""
    return _FINE if faces <= _FINE_UP_TO else _COARSE


def thumbnails(objects: ObjectStore, bucket: str, crop_keys: Iterable[str], width: int) -> Iterator[str]:
    """Yield a square WebP of `width` pixels in base64 for each crop; an empty text where there is no readable crop."""
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
