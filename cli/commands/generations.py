"""`facestream generations`: the results of reclusterings."""

from typing import Annotated

import typer

from cli.options import Result
from cli.output.terminal import say

app = typer.Typer(
    help="List, compare, activate, pin and remove generations, which are the results of reclusterings.",
    no_args_is_help=True,
)

_Number = Annotated[int, typer.Argument(metavar="N", min=1, help="Number of a generation.")]


@app.command("list")
def list_generations(*, result: Result = None) -> None:
    """Print the generations that are kept."""
    from cli.jobs.generations import table
    from cli.output.tables import print_table
    from cli.repositories import opened

    with opened(result) as repository:
        print_table(table(repository))


@app.command()
def show(number: _Number, *, result: Result = None) -> None:
    """Print the state, the counts, the settings and the times of a generation."""
    from cli.jobs.generations import described
    from cli.repositories import opened

    with opened(result) as repository:
        for line in described(repository, number):
            say(line)


@app.command()
def diff(before: _Number, after: _Number, *, result: Result = None) -> None:
    """Print the faces and the people that differ between two generations."""
    from cli.jobs.generations import difference
    from cli.repositories import opened

    with opened(result) as repository:
        for line in difference(repository, before, after):
            say(line)


@app.command()
def rollback(number: _Number, *, result: Result = None) -> None:
    """Return to an earlier generation.

    Faces that arrived later are assigned to its people. In the stream, every face whose person changes is published. In
    a folder, the report and all other files are written again.
    """
    from cli.jobs.activation import activate_in_folder, activate_in_stream
    from shared.domain.records import GenerationState

    if result is None:
        say(activate_in_stream(number, GenerationState.RETIRED))
    else:
        say(activate_in_folder(result, number))


@app.command()
def publish(number: _Number) -> None:
    """Publish a generation of the stream that was held back."""
    from cli.jobs.activation import activate_in_stream
    from shared.domain.records import GenerationState

    say(activate_in_stream(number, GenerationState.HELD))


@app.command()
def remove(number: _Number, *, result: Result = None) -> None:
    """Remove a generation early. The medoids of erased people that it contains are removed with it."""
    from cli.jobs.generations import remove as remove_generation
    from cli.repositories import opened_exclusively

    with opened_exclusively(result) as repository:
        say(remove_generation(repository, number))


@app.command()
def pin(number: _Number, *, result: Result = None) -> None:
    """Keep a generation until it is unpinned. While the active one is pinned, no reclustering publishes another."""
    from cli.jobs.generations import pin as pin_generation
    from cli.repositories import opened_to_change

    with opened_to_change(result) as repository:
        say(pin_generation(repository, number))


@app.command()
def unpin(number: _Number, *, result: Result = None) -> None:
    """Undo `pin`, so that the generation is no longer kept."""
    from cli.jobs.generations import unpin as unpin_generation
    from cli.repositories import opened_to_change

    with opened_to_change(result) as repository:
        say(unpin_generation(repository, number))
