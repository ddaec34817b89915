"""`facestream cluster`: the crops of a folder, those of each person in a folder of their own."""

from pathlib import Path

import numpy as np

from cli.jobs.crops import embedded, load_model
from cli.jobs.output import new_folder, write
from cli.jobs.pictures import files_in, flat_names
from cli.jobs.watching import Watch
from cli.jobs.whispering import Whispers, grouped


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
        for number, members in enumerate(clusters, 1):
            crops = [faces[member][0] for member in members]
            for crop, name in zip(crops, flat_names(crops), strict=True):
                write(folder / str(number) / name, (source / crop).read_bytes())
    sizes = [len(members) for members in clusters]
    of_sizes = f" of {', '.join(map(str, sizes))} crops" if sizes else ""
    left = len(faces) - sum(sizes)
    return f"{watch.count(len(faces), 'crops')}: {len(sizes)} clusters{of_sizes} in {out}, {left} crops in none"
