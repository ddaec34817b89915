"""`facestream run`. Its work is in `services/standalone/run.py`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output.terminal import say


def run(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs. Its subfolders are searched too.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder of the result. A later run with the same folder continues there."),
    ],
    *,
    recluster: Annotated[
        bool,
        typer.Option(
            "--recluster", help="Recluster all faces. Without it, new faces are assigned to the people of earlier runs."
        ),
    ] = False,
    rescan: Annotated[
        bool,
        typer.Option("--rescan", help="Read every photograph again, to find changes that kept the size and the times."),
    ] = False,
    forget_missing: Annotated[
        bool,
        typer.Option("--forget-missing", help="Forget all photographs that are missing, even a whole folder at once."),
    ] = False,
    min_cluster_size: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Smallest number of faces of a person. The default is 20, or FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="FaceNet model: a Keras h5 file, a frozen .pb file, or a SavedModel or checkpoint folder."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Number of processes that detect faces. The default is one per core.")
    ] = None,
) -> None:
    """Find the people in a folder of photographs.

    The faces on new photographs are detected, judged and embedded. The first run clusters all faces into people, and
    later runs assign new faces to these people. A later run reclusters all faces by itself if there are no people yet,
    or if few of the faces took part in the last reclustering. A photograph is identified by its bytes: after it was
    renamed or moved, it keeps its faces and people. If the command is killed, run it again, and it continues. All other
    settings are environment variables (FACESTREAM_DETECTOR_... and more); docs/configuration.md lists them.
    """
    from rich.console import Console

    from cli.output.run_progress import RunProgress
    from services.embedder.settings import EmbedderSettings
    from services.reclusterer.settings import ReclustererSettings
    from services.standalone.run import run_folder
    from services.standalone.settings import RunSettings, StandaloneSettings

    console = Console(highlight=False)
    summary = run_folder(
        RunSettings(
            photos=photos,
            out=out,
            recluster=recluster,
            rescan=rescan,
            standalone=StandaloneSettings.with_processes(processes, forget_missing=forget_missing),
            embedder=EmbedderSettings(**_given(model=model)),
            reclusterer=ReclustererSettings(**_given(min_cluster_size=min_cluster_size)),
        ),
        lambda total: RunProgress(console, total),
    )
    for line in summary.lines():
        say(line)


def _given(**options: object) -> dict[str, Any]:
    """Return the options that were given; the environment or the defaults decide on the others."""
    return {name: value for name, value in options.items() if value is not None}
