"""Which names look like photographs.

Used where a person names a folder: videos, sidecar files and documents that lie among the photographs are passed
over. What is inside a file is decided by its bytes, in the detector.
"""

from pathlib import PurePosixPath

_COMMON = "jpg jpeg jpe jfif png webp tif tiff bmp dib gif heic heif hif avif jp2"
_RAW = "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"

RAW_EXTENSIONS = frozenset(f".{word}" for word in _RAW.split())
PHOTO_EXTENSIONS = frozenset(f".{word}" for word in _COMMON.split()) | RAW_EXTENSIONS


def is_photo_name(key: str) -> bool:
    """Say whether a file of this name may be a photograph: a known extension in any case, or none at all.

    A key that ends in a slash is a folder that cannot be read; there may be photographs in it.
    """
    if key.endswith("/"):
        return True
    suffix = PurePosixPath(key).suffix.lower()
    return not suffix or suffix in PHOTO_EXTENSIONS


def is_raw_name(key: str) -> bool:
    """Say whether a file of this name may be a camera's raw file."""
    return PurePosixPath(key).suffix.lower() in RAW_EXTENSIONS
