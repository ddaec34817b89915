"""`facestream validate`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import EmbeddingsFile
from cli.output.terminal import say


def validate(
    medoids: Annotated[Path, typer.Argument(metavar="MEDOIDS.csv", help="CSV file that `get-medoids` wrote.")],
    embeddings: EmbeddingsFile,
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
    from cli.jobs.validate import label_embeddings

    say(label_embeddings(medoids, embeddings, output, threshold))
