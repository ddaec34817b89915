"""The work of `facestream tsne`: draw a map of a file of embeddings."""

from pathlib import Path

import numpy as np

from cli.files.csv_formats import read_embeddings
from cli.files.whole_output import check_not_read
from services.standalone.report import write_map
from shared.atomic_output import explained
from shared.vectors import unit_length


def draw_map(embeddings: Path, out: Path) -> str:
    """Draw the map of a file of embeddings, coloured by label, as a page (.html) or a picture (.png).

    Returns a summary in one line. Raises `InvalidInput` if a path or the content of the file is wrong.
    """
    faces = read_embeddings(embeddings)
    check_not_read(out, [embeddings])
    with explained(out):
        write_map(faces.labels, unit_length(faces.vectors).astype(np.float32), out, faces.paths)
    return f"{len(faces.paths)} embeddings, {len(set(faces.labels))} labels: a map in {out}"
