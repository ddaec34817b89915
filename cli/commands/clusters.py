"""`facestream clusters`: people and their history. Imports are inside, as in `photo_commands.py`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say

app = typer.Typer(help="List the people, and show their faces and their history.", no_args_is_help=True)

_LONG_LINE = 2000  # characters
_Result = Annotated[
    Path | None,
    typer.Option(
        "--result", metavar="DIR", help="Result folder of `facestream run`. Without it, the stream's database is read."
    ),
]
_Id = Annotated[str, typer.Argument(metavar="ID", help="Cluster id, or the beginning of one.")]


@app.command("list")
def list_clusters(*, result: _Result = None) -> None:
    """Print the people of the active generation, the largest first."""
    from rich.console import Console  # noqa: PLC0415  see above

    from cli.jobs.clusters import table  # noqa: PLC0415  see above
    from cli.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        Console(highlight=False, width=None if sys.stdout.isatty() else _LONG_LINE).print(table(repository))


@app.command()
def show(cluster_id: _Id, *, result: _Result = None) -> None:
    """Print the faces of a person, with their similarities to the medoid and their photographs."""
    from cli.jobs.clusters import described  # noqa: PLC0415  see above
    from cli.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in described(repository, cluster_id):
            say(line)


@app.command()
def history(cluster_id: _Id, *, result: _Result = None) -> None:
    """Print how a person changed in the generations that are kept."""
    from cli.jobs.clusters import history as lines  # noqa: PLC0415  see above
    from cli.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in lines(repository, cluster_id):
            say(line)
