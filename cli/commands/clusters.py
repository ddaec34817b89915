"""`facestream clusters`: people and their history."""

from typing import Annotated

import typer

from cli.options import Result
from cli.output.terminal import say

app = typer.Typer(help="List the people, and show their faces and their history.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Cluster id, or the beginning of one.")]


@app.command("list")
def list_clusters(*, result: Result = None) -> None:
    """Print the people of the active generation, the largest first."""
    from cli.jobs.clusters import table
    from cli.output.tables import print_table
    from cli.repositories import opened

    with opened(result) as repository:
        print_table(table(repository))


@app.command()
def show(cluster_id: _Id, *, result: Result = None) -> None:
    """Print the faces of a person, with their similarities to the medoid and their photographs."""
    from cli.jobs.clusters import described
    from cli.repositories import opened

    with opened(result) as repository:
        for line in described(repository, cluster_id):
            say(line)


@app.command()
def history(cluster_id: _Id, *, result: Result = None) -> None:
    """Print how a person changed in the generations that are kept."""
    from cli.jobs.clusters import history as lines_of_history
    from cli.repositories import opened

    with opened(result) as repository:
        for line in lines_of_history(repository, cluster_id):
            say(line)
