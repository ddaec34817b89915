"""`facestream get-medoids`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say


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
    from cli.jobs.get_medoids import write_medoids_of

    say(write_medoids_of(embeddings, output))
