"""Who is who: `facestream cluster` and `chinese-whispers`. Imports are inside, as in `photo_commands.py`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import json_text, say

_Threshold = Annotated[
    float, typer.Option(min=0, max=0.999999, help="Inner product; two faces above it are neighbours.")
]
_Iterations = Annotated[int, typer.Option(min=1, help="Rounds of Chinese Whispers at the most.")]


def cluster(
    model_dir: Annotated[
        Path, typer.Option(help="FaceNet: Keras h5, frozen .pb, SavedModel or checkpoint folder, or a folder with one.")
    ],
    source: Annotated[Path, typer.Option("--input", help="Folder of crops.")],
    output: Annotated[Path, typer.Option(help="Folder to write the clusters to.")],
    *,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Crops that are embedded at once.")] = 32,
    threshold: _Threshold = 0.7,
    iterations: _Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Crops that make a cluster.")] = 20,
) -> None:
    """Group a folder of crops into people: folders 1, 2, ... with copies of the crops, the largest first."""
    from cli.jobs.grouping import cluster_folder  # noqa: PLC0415  see above
    from cli.jobs.whispering import Whispers  # noqa: PLC0415  see above

    whispers = Whispers(threshold, iterations, min_cluster_size)
    say(cluster_folder(source, output, model_dir, batch_size, whispers))


def chinese_whispers(
    embeddings: Annotated[
        Path, typer.Argument(metavar="EMBEDDINGS.csv", help="A header, then rows of values and a path.")
    ],
    rows: Annotated[int | None, typer.Option(min=1, help="Read only so many embeddings. Default: all.")] = None,
    threshold: _Threshold = 0.7,
    iterations: _Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Faces that make a cluster.")] = 2,
) -> None:
    """Group embeddings and print each cluster as a list of paths (JSON, one a line), the largest first."""
    from cli.jobs.whispering import Whispers, whispered  # noqa: PLC0415  see above

    for paths in whispered(embeddings, rows, Whispers(threshold, iterations, min_cluster_size)):
        typer.echo(json_text(paths))
