"""`facestream tsne`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import EmbeddingsFile
from cli.output.terminal import say


def tsne(
    embeddings: EmbeddingsFile,
    output: Annotated[
        Path, typer.Argument(metavar="OUT.html|OUT.png", help="File to write: an interactive page or a picture.")
    ],
) -> None:
    """Draw a two-dimensional map of the embeddings, coloured by label."""
    from cli.jobs.tsne import draw_map

    say(draw_map(embeddings, output))
