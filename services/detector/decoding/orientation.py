"""EXIF orientation: rotated and mirrored pictures, and how to make them upright."""

from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

_ORIENTATION = 0x0112  # the EXIF tag; its values 2 to 8 ask for:
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FROM_THE_RIGHT, _FROM_BELOW = (2, 3, 7, 8), (3, 4, 6, 7)  # the stored picture's side that its upright axis begins at
_ELSEWHERE = ("HEIF", "AVIF")  # these have their orientation in the picture itself; that in XMP is for information only


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 where there is none or it cannot be read."""
    if image.format == "TIFF":
        return 1  # Pillow turns these while loading
    if image.format in _ELSEWHERE:
        image.info.pop("xmp", None)
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  damaged metadata raises anything, and the pixels may be fine
        return 1


def exchanges_sides(orientation: int) -> bool:
    """Return whether the upright picture is as wide as the stored one is high."""
    return orientation in {5, 6, 7, 8}


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture upright. Without a known orientation it is returned unchanged."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def stored_box(box: Box, orientation: int, width: int, height: int) -> Box:
    """Return the box in the stored picture, of this width and height, that a box of the upright picture shows."""
    left, top, right, bottom = box
    if exchanges_sides(orientation):
        left, top, right, bottom = top, left, bottom, right
    if orientation in _FROM_THE_RIGHT:
        left, right = width - right, width - left
    if orientation in _FROM_BELOW:
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
