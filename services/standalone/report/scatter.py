"""A map of labelled embeddings as a file of its own: an interactive page, or a picture."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.standalone.report.page import open_page, render_map
from services.standalone.tsne import embed_2d
from shared.atomic_output import whole_file
from shared.errors import InvalidInput

_LEGEND_UP_TO = 40  # labels; a longer legend does not fit beside the picture


def write_map(
    labels: Sequence[str], vectors: NDArray[np.float32], destination: Path, names: Sequence[str], seed: int = 0
) -> None:
    """Draw the t-SNE map of vectors, coloured by label; the same input gives the same bytes.

    Args:
        labels: of length n; equal labels have one colour. They are listed in the legend.
        vectors: shape (n, d), float32, unit length.
        destination: `.html` is a page with the map of a report, which needs no network; `.png` is a picture.
        names: of length n, shown in the page at the point under the pointer.
        seed: of the map.

    Raises:
        InvalidInput: if the destination has another ending, or labels, vectors and names differ in number.
    """
    if not len(labels) == len(vectors) == len(names):
        msg = f"expected a label and a name for every vector, got {len(vectors)} vectors, {len(labels)} labels"
        msg += f" and {len(names)} names"
        raise InvalidInput(msg)
    writers = {".html": _write_page, ".png": _write_picture}
    writer = writers.get(destination.suffix.lower())
    if writer is None:
        msg = f"{destination}: expected a name that ends in .html or .png; choose one of the two"
        raise InvalidInput(msg)
    destination.parent.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list[int]] = {label: [] for label in sorted(set(labels))}
    for row, label in enumerate(labels):
        groups[label].append(row)
    with whole_file(destination) as draft:
        writer(groups, embed_2d(vectors, seed), draft, names)


def _write_page(groups: dict[str, list[int]], points: NDArray[np.float32], draft: Path, names: Sequence[str]) -> None:
    with open_page(draft) as file:
        for piece in render_map(groups, points, names):
            file.write(piece)


def _write_picture(
    groups: dict[str, list[int]], points: NDArray[np.float32], draft: Path, names: Sequence[str]
) -> None:
    del names  # a picture has no pointer over it
    import matplotlib as mpl  # noqa: PLC0415  a second of imports that only this function needs
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(10, 8), layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot: no window system, no global state
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    axes.set_title("t-SNE of the embeddings")
    colours = mpl.colormaps["tab20" if len(groups) > 10 else "tab10"]  # noqa: PLR2004  their numbers of colours
    dots = [
        axes.scatter(points[rows, 0], points[rows, 1], s=14, color=[colours(number % colours.N)], linewidths=0)
        for number, rows in enumerate(groups.values())
    ]
    if 1 < len(groups) <= _LEGEND_UP_TO:
        # With a space before it, since matplotlib omits labels that begin with an underscore.
        names_shown = [f" {label}" if label else "(no label)" for label in groups]
        legend = axes.legend(
            dots, names_shown, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # such a character is shown as a box
        figure.savefig(draft, dpi=150, metadata={"Software": None})
