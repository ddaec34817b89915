"""`facestream export-embeddings`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say


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
    from cli.jobs.export_embeddings import export_folder

    say(export_folder(model, source, output))
