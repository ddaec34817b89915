"""Crops in folders: read as pixels, and embedded."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from more_itertools import chunked
from numpy.typing import NDArray

from cli.files.input_files import content, text_of
from cli.output.file_progress import Watch
from services.detector.decoding.decode import decode
from services.detector.settings import DetectorSettings
from services.embedder.embedding import Embedder, resized
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from shared.errors import InvalidInput, Unreadable

_WIDEST = 8192  # pixels; crops are not reduced, for that would sharpen them
_MODEL_NAMES = (".h5", ".hdf5", ".keras", ".pb")


def read_crop(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    """Return a file's bytes and its pixels, (h, w, 3) uint8 BGR; raises `Unreadable`."""
    settings = DetectorSettings(photo_width=_WIDEST)
    data = content(path, settings.max_bytes)
    return data, decode(data, settings).image


def load_model(path: Path, batch_size: int | None = None) -> Embedder:
    """Load a model from all that `load_embedder` takes, or from a folder that holds one model file.

    Raises `ModelError` where it cannot be used, `InvalidInput` where the folder holds none or several.
    """
    if path.is_dir() and not (path / "saved_model.pb").is_file() and not any(path.glob("*.meta")):
        inside = sorted(
            entry for entry in path.iterdir() if entry.suffix in _MODEL_NAMES or (entry / "saved_model.pb").is_file()
        )
        if len(inside) != 1:
            found = ", ".join(entry.name for entry in inside) or "none"
            msg = f"{path}: expected one model (Keras h5, frozen .pb, SavedModel or checkpoint) in it, found {found}"
            raise InvalidInput(msg)
        path = inside[0]
    return load_embedder(path, EmbedderSettings() if batch_size is None else EmbedderSettings(batch_size=batch_size))


def embedded(
    folder: Path, names: Sequence[Path], embedder: Embedder, watch: Watch
) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    """Yield the name and the vector, shape (d,), of every crop that can be read, in their order."""
    crops = _pixels(folder, watch.over(names, len(names), "crops"), embedder.input_size, watch)
    for batch in chunked(crops, embedder.batch_size):
        yield from zip((name for name, _ in batch), embedder.embed(np.stack([crop for _, crop in batch])), strict=True)


def _pixels(folder: Path, names: Iterator[Path], size: int, watch: Watch) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    for name in names:
        try:
            yield name, resized(read_crop(folder / name)[1], size)
        except Unreadable as reason:
            watch.refused(text_of(folder / name), str(reason))
