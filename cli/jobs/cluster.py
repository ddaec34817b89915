"""`facestream cluster`: the crops of a folder, those of each person in a folder of their own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cli.files.crops import embedded, load_model
from cli.files.input_files import content, files_in, flat_names, text_of
from cli.files.whole_output import new_folder, write
from cli.jobs.chinese_whispers import Whispers, grouped
from cli.output.file_progress import Watch
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable


def cluster_folder(source: Path, out: Path, model: Path, batch_size: int, whispers: Whispers) -> str:
    """Copy the crops of each cluster into a folder of its own: `1` is the largest, then `2`, and so on.

    Returns what was done, in a line. Raises `InvalidInput` for folders that make no sense, `ModelError`, and `Fatal`
    where no crop can be read.
    """
    watch = Watch()
    names = files_in(source, watch)
    with new_folder(out, source) as folder:
        faces = list(embedded(source, names, load_model(model, batch_size), watch))
        watch.check_some(len(faces), source)
        clusters = grouped(np.stack([vector for _, vector in faces]), whispers)
        sizes = [
            _copied(source, [faces[member][0] for member in members], folder / str(number), watch)
            for number, members in enumerate(clusters, 1)
        ]
    of_sizes = f" of {', '.join(map(str, sizes))} crops" if sizes else ""
    left = len(faces) - sum(map(len, clusters))
    return f"{watch.count(len(faces), 'crops')}: {len(sizes)} clusters{of_sizes} in {out}, {left} crops in none"


def _copied(source: Path, crops: Sequence[Path], folder: Path, watch: Watch) -> int:
    """Copy crops into one folder; return how many could be, the others are told."""
    limit, copied = DetectorSettings().max_bytes, 0
    for crop, name in zip(crops, flat_names(crops), strict=True):
        try:
            write(folder / name, content(source / crop, limit))
        except Unreadable as reason:
            watch.refused(text_of(source / crop), str(reason))
        else:
            copied += 1
    return copied
