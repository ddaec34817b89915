"""`facestream run`: a folder of photographs in, people out."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.terminal import say


def run(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs, with or without subfolders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the result; a second run goes on there.")],
    *,
    recluster: Annotated[
        bool, typer.Option("--recluster", help="Regroup all faces; without it new faces go to the people found before.")
    ] = False,
    rescan: Annotated[
        bool, typer.Option("--rescan", help="Read every photograph again, to see edits that left size and times alone.")
    ] = False,
    forget_missing: Annotated[
        bool,
        typer.Option("--forget-missing", help="Forget all photographs that are missing, even a whole folder at once."),
    ] = False,
    min_cluster_size: Annotated[
        int | None, typer.Option(min=2, help="Faces that make a person; fewer stay unknown. Default 20.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="FaceNet: Keras h5, SavedModel folder, frozen .pb or checkpoint folder.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that detect faces. Default: one per core.")
    ] = None,
) -> None:
    """Find the people in a folder of photographs.

    New photographs are detected, judged and embedded; the first run groups all faces into people, a later one
    assigns new faces to them, and groups again while there are no people or few faces were grouped. A photograph is
    known by its bytes: renamed or moved, it keeps its faces and people. Killed at any point, the same command goes
    on. Everything else is configured by environment variables (FACESTREAM_DETECTOR_..., see the README).
    """
    # Here, not above: these pull in dlib, TensorFlow and numba, and --help does without.
    from cli.progress import RunProgress  # noqa: PLC0415
    from services.standalone.run import Options, run_folder  # noqa: PLC0415

    console = Console(highlight=False)
    summary = run_folder(
        Options(
            photos=photos,
            out=out,
            recluster=recluster,
            rescan=rescan,
            forget_missing=forget_missing,
            min_cluster_size=min_cluster_size,
            model=model,
            processes=processes,
        ),
        lambda total: RunProgress(console, total),
    )
    for line in summary.lines():
        say(line)
