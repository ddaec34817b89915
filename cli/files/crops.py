"""Face crops in folders: read their pixels, and embed them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from more_itertools import chunked
from numpy.typing import NDArray

from cli.files.input_files import content, text_of
from cli.output.file_progress import FileProgress
from services.detector.decoding.decode import decode
from services.detector.settings import DetectorSettings
from services.embedder.embedding import Embedder, resized
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from shared.errors import InvalidInput, Unreadable

_WIDEST = 8192  # pixels; crops are not scaled down, because that would sharpen them
_MODEL_NAMES = (".h5", ".hdf5", ".keras", ".pb")


def read_crop(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    """Return the bytes of a file, and its pixels: shape (h, w, 3), uint8, BGR. Raises `Unreadable`."""
    settings = DetectorSettings(photo_width=_WIDEST)
    data = content(path, settings.max_bytes)
    return data, decode(data, settings).image


def load_model(path: Path, batch_size: int | None = None) -> Embedder:
    """Load a model from any path that `load_embedder` accepts, or from a folder that contains one model.

    Raises `ModelError` if it cannot be used, and `InvalidInput` if the folder contains no model or several.
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
    folder: Path, names: Sequence[Path], embedder: Embedder, progress: FileProgress
) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    """Yield the name and the vector, shape (d,), of every crop that can be read, in the order of `names`."""
    crops = _pixels(folder, progress.over(names, len(names), "crops"), embedder.input_size, progress)
    for batch in chunked(crops, embedder.batch_size):
        yield from zip((name for name, _ in batch), embedder.embed(np.stack([crop for _, crop in batch])), strict=True)


def _pixels(
    folder: Path, names: Iterator[Path], size: int, progress: FileProgress
) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    for name in names:
        try:
            yield name, resized(read_crop(folder / name)[1], size)
        except Unreadable as reason:
            progress.refused(text_of(folder / name), str(reason))
