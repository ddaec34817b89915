"""`facestream cluster`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Iterations, Threshold
from cli.output.terminal import say


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
    threshold: Threshold = 0.7,
    iterations: Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Smallest number of crops in a cluster.")] = 20,
) -> None:
    """Group a folder of face crops into people.

    The crops of each person are copied into a folder. The folders are numbered 1, 2, ..., the largest first.
    """
    from cli.jobs.chinese_whispers import ClusteringOptions
    from cli.jobs.cluster import cluster_folder

    options = ClusteringOptions(threshold=threshold, iterations=iterations, min_cluster_size=min_cluster_size)
    say(cluster_folder(source, output, model=model_dir, batch_size=batch_size, options=options))
