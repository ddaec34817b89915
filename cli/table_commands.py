"""Embeddings as CSV files: `facestream export-embeddings`, `get-medoids`, `validate` and `tsne`.

Imports are inside, as in `photo_commands.py`.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say

_Embeddings = Annotated[Path, typer.Argument(metavar="EMBEDDINGS.csv", help="As `export-embeddings` writes it.")]


def export_embeddings(
    model: Annotated[
        Path,
        typer.Argument(help="FaceNet: Keras h5, frozen .pb, SavedModel or checkpoint folder, or a folder with one."),
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder of crops, those of each label in a folder.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.csv", help="A header, then path, label and values.")],
) -> None:
    """Embed a folder of crops; the label of a crop is the name of the folder that it lies in."""
    from cli.jobs.exporting import export  # noqa: PLC0415  see above

    say(export(model, source, output))


def get_medoids(
    embeddings: Annotated[Path, typer.Argument(metavar="IN.csv", help="As `export-embeddings` writes it.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.csv", help="No header; label and values.")],
) -> None:
    """Find for each label the face that stands for it: the least sum of Euclidean distances to the others."""
    from cli.jobs.tables import medoids  # noqa: PLC0415  see above

    say(medoids(embeddings, output))


def validate(
    medoids: Annotated[Path, typer.Argument(metavar="MEDOIDS.csv", help="As `get-medoids` writes it.")],
    embeddings: _Embeddings,
    output: Annotated[Path, typer.Argument(metavar="OUT.csv", help="No header; path, and label or `unknown`.")],
    threshold: Annotated[
        float, typer.Option(min=-1, max=1, help="Inner product; from it on a face has the label.")
    ] = 0.75,
) -> None:
    """Give each face the label of the most similar medoid."""
    from cli.jobs.tables import validate as assigned  # noqa: PLC0415  see above

    say(assigned(medoids, embeddings, output, threshold))


def tsne(
    embeddings: _Embeddings,
    output: Annotated[Path, typer.Argument(metavar="OUT.html|OUT.png", help="A page to move about in, or a picture.")],
) -> None:
    """Draw a map of the embeddings in two dimensions, coloured by label."""
    from cli.jobs.tables import draw  # noqa: PLC0415  see above

    say(draw(embeddings, output))
