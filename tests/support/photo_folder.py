"""A typical folder of photographs: some with odd names, and the files that other programs keep beside them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

_NOT_PHOTOGRAPHS = (
    "@eaDir/photo.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "#recycle/deleted.jpg",
    "@Recycle/deleted.jpg",
    "$RECYCLE.BIN/S-1-5-21/$R1.jpg",
    "__MACOSX/album/photo.jpg",
    "lost+found/1234.jpg",
    "Lightroom Catalog Previews.lrdata/A/preview.jpg",
    "Photos Library.photoslibrary/resources/derivatives/0/0A.jpeg",
    "SYNOFILE_THUMB_M.jpg",
    "Memes/funny.jpg",
    "Thumbs.db",
    "photo.MOV",
    "photo.jpg.xmp",
    "Guests.xlsx",
)
_HIDDEN = (".DS_Store", "._photo.jpg", ".thumbnails/1.jpg", ".@__thumb/s800photo.jpg", ".Trashes/501/deleted.jpg")


def make_photo_folder(folder: Path, photograph: bytes | None = None) -> Sequence[str]:
    """Fill a folder, and return the keys of its photographs.

    Every other file with the name of a picture holds the same picture. The owner wants to leave out `Memes`.
    17 files are passed over; hidden ones are not counted.
    """
    picture = photograph or cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    photographs = (
        "album/photo.jpg",
        "2020.01.02 12.30.45",
        "album/photo.jpg_large",
        "album/photo.jpg(1)",
        "stereo.mpo",
    )
    for name in (*photographs, *_NOT_PHOTOGRAPHS, *_HIDDEN):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    (folder / "LICENSE").write_text("no picture")
    (folder / "best.jpg").symlink_to("album/photo.jpg")
    (folder / "all").symlink_to("album")
    return photographs
