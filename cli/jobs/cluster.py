"""The work of `facestream cluster`: copy the crops of a folder into one folder for each person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cli.files.crops import embedded, load_model
from cli.files.input_files import content, files_in, text_of
from cli.files.output_names import flat_names
from cli.files.whole_output import new_folder, write
from cli.jobs.chinese_whispers import ClusteringOptions, cluster_vectors
from cli.output.file_progress import FileProgress
from services.detector.settings import DetectorSettings
from shared.errors import Unreadable


def cluster_folder(source: Path, out: Path, *, model: Path, batch_size: int, options: ClusteringOptions) -> str:
    """Copy the crops of each cluster into a folder of its own: `1` is the largest, then `2`, and so on.

    `batch_size`: number of crops that are embedded at once. Returns a summary in one line. Raises `InvalidInput` if a
    folder cannot be read or written, `ModelError`, and `Fatal` if no crop can be read.
    """
    progress = FileProgress()
    names = files_in(source, progress)
    with new_folder(out, source) as folder:
        faces = list(embedded(source, names, load_model(model, batch_size), progress))
        progress.check_some(len(faces), source)
        clusters = cluster_vectors(np.stack([vector for _, vector in faces]), options)
        sizes = [
            _copied(source, [faces[member][0] for member in members], folder / str(number), progress)
            for number, members in enumerate(clusters, 1)
        ]
    of_sizes = f" of {', '.join(map(str, sizes))} crops" if sizes else ""
    unclustered = len(faces) - sum(map(len, clusters))
    return (
        f"{progress.count(len(faces), 'crops')}: {len(sizes)} clusters{of_sizes} in {out}, {unclustered} crops in none"
    )


def _copied(source: Path, crops: Sequence[Path], folder: Path, progress: FileProgress) -> int:
    """Copy crops into one folder; return the number of copies. A crop that cannot be copied is reported."""
    limit, copied = DetectorSettings().max_bytes, 0
    for crop, name in zip(crops, flat_names(crops), strict=True):
        try:
            write(folder / name, content(source / crop, limit))
        except Unreadable as reason:
            progress.refused(text_of(source / crop), str(reason))
        else:
            copied += 1
    return copied
