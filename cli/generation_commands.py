"""`facestream generations`: the results of reclusterings. Imports are inside, as in `photo_commands.py`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say

app = typer.Typer(
    help="List, compare, activate, pin and remove generations, which are the results of reclusterings.",
    no_args_is_help=True,
)

_LONG_LINE = 2000  # characters
_Result = Annotated[
    Path | None,
    typer.Option(
        "--result", metavar="DIR", help="Result folder of `facestream run`. Without it, the stream's database is used."
    ),
]
_Number = Annotated[int, typer.Argument(metavar="N", min=1, help="Number of a generation.")]


@app.command("list")
def list_generations(*, result: _Result = None) -> None:
    """Print the generations that are kept."""
    from rich.console import Console  # noqa: PLC0415  see above

    from cli.jobs.generations import table  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        Console(highlight=False, width=None if sys.stdout.isatty() else _LONG_LINE).print(table(repository))


@app.command()
def show(number: _Number, *, result: _Result = None) -> None:
    """Print the state, the counts, the settings and the times of a generation."""
    from cli.jobs.generations import described  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in described(repository, number):
            say(line)


@app.command()
def diff(before: _Number, after: _Number, *, result: _Result = None) -> None:
    """Print the faces and the people that differ between two generations."""
    from cli.jobs.generations import difference  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in difference(repository, before, after):
            say(line)


@app.command()
def rollback(number: _Number, *, result: _Result = None) -> None:
    """Return to an earlier generation.

    Faces that arrived later are assigned to its people. In the stream, every face whose person changes is published. In
    a folder, the report and all other files are written again.
    """
    from cli.jobs.switching import go_back, go_to  # noqa: PLC0415  see above
    from shared.domain.records import GenerationState  # noqa: PLC0415  see above

    say(go_to(number, GenerationState.RETIRED) if result is None else go_back(result, number))


@app.command()
def publish(number: _Number) -> None:
    """Publish a generation of the stream that was held back."""
    from cli.jobs.switching import go_to  # noqa: PLC0415  see above
    from shared.domain.records import GenerationState  # noqa: PLC0415  see above

    say(go_to(number, GenerationState.HELD))


@app.command()
def remove(number: _Number, *, result: _Result = None) -> None:
    """Remove a generation early. The medoids of erased people that it contains are removed with it."""
    from cli.jobs.generations import remove as removed  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_alone  # noqa: PLC0415  see above

    with opened_alone(result) as repository:
        say(removed(repository, number))


@app.command()
def pin(number: _Number, *, result: _Result = None) -> None:
    """Keep a generation until it is unpinned. While the active one is pinned, no reclustering publishes another."""
    from cli.jobs.generations import pin as pinned  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_to_change  # noqa: PLC0415  see above

    with opened_to_change(result) as repository:
        say(pinned(repository, number))


@app.command()
def unpin(number: _Number, *, result: _Result = None) -> None:
    """Undo `pin`, so that the generation is no longer kept."""
    from cli.jobs.generations import unpin as unpinned  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_to_change  # noqa: PLC0415  see above

    with opened_to_change(result) as repository:
        say(unpinned(repository, number))
