"""Embeddings as CSV files: `facestream export-embeddings`, `get-medoids`, `validate` and `tsne`.

Imports are inside, as in `photo_commands.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say

_Embeddings = Annotated[Path, typer.Argument(metavar="EMBEDDINGS.csv", help="CSV file that `export-embeddings` wrote.")]


def export_embeddings(
    model: Annotated[
        Path,
        typer.Argument(
            help="FaceNet model: a Keras h5 or .pb file, a SavedModel or checkpoint folder, or a folder with one."
        ),
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder with one folder of crops for each label.")],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.csv", help="CSV file to write, with a header. Each row has a path, a label and the values."
        ),
    ],
) -> None:
    """Embed a folder of crops and write the embeddings to a CSV file.

    The label of a crop is the name of the folder that contains it.
    """
    from cli.jobs.export_embeddings import export  # noqa: PLC0415  see above

    say(export(model, source, output))


def get_medoids(
    embeddings: Annotated[Path, typer.Argument(metavar="IN.csv", help="CSV file that `export-embeddings` wrote.")],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.csv", help="CSV file to write, without a header. Each row has a label and the values."
        ),
    ],
) -> None:
    """Find the medoid of each label.

    The medoid is the face with the smallest sum of Euclidean distances to the other faces of the label.
    """
    from cli.jobs.tables import medoids  # noqa: PLC0415  see above

    say(medoids(embeddings, output))


def validate(
    medoids: Annotated[Path, typer.Argument(metavar="MEDOIDS.csv", help="CSV file that `get-medoids` wrote.")],
    embeddings: _Embeddings,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT.csv",
            help="CSV file to write, without a header. Each row has a path, and a label or `unknown`.",
        ),
    ],
    threshold: Annotated[
        float, typer.Option(min=-1, max=1, help="Smallest inner product with a medoid at which a face gets its label.")
    ] = 0.75,
) -> None:
    """Give each face the label of the most similar medoid."""
    from cli.jobs.tables import validate as assigned  # noqa: PLC0415  see above

    say(assigned(medoids, embeddings, output, threshold))


def tsne(
    embeddings: _Embeddings,
    output: Annotated[
        Path, typer.Argument(metavar="OUT.html|OUT.png", help="File to write: an interactive page or a picture.")
    ],
) -> None:
    """Draw a two-dimensional map of the embeddings, coloured by label."""
    from cli.jobs.tables import draw  # noqa: PLC0415  see above

    say(draw(embeddings, output))
