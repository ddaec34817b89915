"""Clustering of files: `facestream cluster` and `chinese-whispers`. Imports are inside, as in `photo_commands.py`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import json_text, say

_Threshold = Annotated[
    float, typer.Option(min=0, max=0.999999, help="Inner product above which two faces are neighbours.")
]
_Iterations = Annotated[int, typer.Option(min=1, help="Largest number of rounds of Chinese Whispers.")]


def cluster(
    model_dir: Annotated[
        Path,
        typer.Option(
            help="FaceNet model: a Keras h5 or .pb file, a SavedModel or checkpoint folder, or a folder with one."
        ),
    ],
    source: Annotated[Path, typer.Option("--input", help="Folder of face crops.")],
    output: Annotated[Path, typer.Option(help="Folder for the clusters.")],
    *,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Number of crops that are embedded at once.")] = 32,
    threshold: _Threshold = 0.7,
    iterations: _Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Smallest number of crops in a cluster.")] = 20,
) -> None:
    """Group a folder of face crops into people.

    The crops of each person are copied into a folder. The folders are numbered 1, 2, ..., the largest first.
    """
    from cli.jobs.chinese_whispers import Whispers  # noqa: PLC0415  see above
    from cli.jobs.cluster import cluster_folder  # noqa: PLC0415  see above

    whispers = Whispers(threshold, iterations, min_cluster_size)
    say(cluster_folder(source, output, model_dir, batch_size, whispers))


def chinese_whispers(
    embeddings: Annotated[
        Path,
        typer.Argument(
            metavar="EMBEDDINGS.csv", help="CSV file with a header. Each row has the values of an embedding and a path."
        ),
    ],
    rows: Annotated[
        int | None, typer.Option(min=1, help="Number of embeddings to read. The default is all of them.")
    ] = None,
    threshold: _Threshold = 0.7,
    iterations: _Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Smallest number of faces in a cluster.")] = 2,
) -> None:
    """Group embeddings into clusters and print them.

    Each cluster is printed as one line with a JSON list of paths, the largest cluster first.
    """
    from cli.jobs.chinese_whispers import Whispers, whispered  # noqa: PLC0415  see above

    for paths in whispered(embeddings, rows, Whispers(threshold, iterations, min_cluster_size)):
        typer.echo(json_text(paths))
