"""`facestream ingest`. The environment names the object store, as it does for the services."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say


def ingest(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs. Its subfolders are searched too.")],
    *,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Number of photographs that are uploaded at once.")] = 8,
) -> None:
    """Upload a folder of photographs to the bucket, from which the stream processes them.

    The key of an object is the photograph's path below the folder. A photograph that the bucket has already (with the
    same size and MD5) is skipped, so that the same command continues an interrupted upload. A photograph that cannot be
    uploaded is reported in a line, and the command continues with the others; the exit status is then 1.
    """
    from cli.jobs.ingest import ingest_folder

    counts = ingest_folder(photos, threads)
    for line in counts.lines():
        say(line)
    raise typer.Exit(1 if counts.failed else 0)
