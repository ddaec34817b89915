"""`facestream generations`: regroupings, and the way to another one. Imports are inside, as in `photo_commands.py`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say

app = typer.Typer(help="The regroupings: look at them, go to another one, keep one.", no_args_is_help=True)

_LONG_LINE = 2000  # characters
_Result = Annotated[
    Path | None, typer.Option("--result", metavar="DIR", help="The result of `facestream run`; else the stream.")
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
    """Print what is known of a generation: state, counts, settings, times."""
    from cli.jobs.generations import described  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in described(repository, number):
            say(line)


@app.command()
def diff(before: _Number, after: _Number, *, result: _Result = None) -> None:
    """Print what differs between two generations: faces, and people that are not as they were."""
    from cli.jobs.generations import difference  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened  # noqa: PLC0415  see above

    with opened(result) as repository:
        for line in difference(repository, before, after):
            say(line)


@app.command()
def rollback(number: _Number, *, result: _Result = None) -> None:
    """Go back to an earlier generation.

    Faces that came since get their place in it. In the stream, downstream hears of every face whose person is another
    one; in a folder, the report and all other files are made anew.
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
    """Remove a generation before its time: the medoids of people who were erased go with it."""
    from cli.jobs.generations import remove as removed  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_alone  # noqa: PLC0415  see above

    with opened_alone(result) as repository:
        say(removed(repository, number))


@app.command()
def pin(number: _Number, *, result: _Result = None) -> None:
    """Keep a generation. While the active one is pinned, no regrouping makes or publishes one."""
    from cli.jobs.generations import pin as pinned  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_to_change  # noqa: PLC0415  see above

    with opened_to_change(result) as repository:
        say(pinned(repository, number))


@app.command()
def unpin(number: _Number, *, result: _Result = None) -> None:
    """Undo `pin`."""
    from cli.jobs.generations import unpin as unpinned  # noqa: PLC0415  see above
    from cli.jobs.repositories import opened_to_change  # noqa: PLC0415  see above

    with opened_to_change(result) as repository:
        say(unpinned(repository, number))
