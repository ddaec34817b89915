"""`facestream chinese-whispers`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Iterations, Threshold
from cli.output.terminal import json_text


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
    threshold: Threshold = 0.7,
    iterations: Iterations = 50,
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Smallest number of faces in a cluster.")] = 2,
    *,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Use the plain implementation on a networkx graph. It finds the same clusters slowly."
        ),
    ] = False,
) -> None:
    """Group embeddings into clusters and print them.

    Each cluster is printed as one line with a JSON list of paths, the largest cluster first.
    """
    from cli.jobs.chinese_whispers import ClusteringOptions, cluster_file

    options = ClusteringOptions(
        threshold=threshold, iterations=iterations, min_cluster_size=min_cluster_size, reference=reference
    )
    for paths in cluster_file(embeddings, rows, options):
        typer.echo(json_text(paths))
