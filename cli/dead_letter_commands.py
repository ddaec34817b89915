"""`facestream dead-letters`: the messages that no number of attempts could process. Imports as in `photo_commands.py`.

A letter is named by its place in the topic, `partition@offset`. Kafka cannot delete one record among others, so a
letter that was replayed or dropped gets a mark, a record behind it in the same topic; what is marked is no longer
listed. What is marked from the topic's beginning on is deleted at once, the rest when it becomes the beginning, or
after the 30 days that the topic keeps records.
"""

import sys
from typing import Annotated

import typer

app = typer.Typer(help="Messages that could not be processed: look at them, replay or drop them.", no_args_is_help=True)

_LONG_LINE = 2000  # characters
_Id = Annotated[str, typer.Argument(metavar="ID", help="partition@offset, as `list` prints it.")]


@app.command("list")
def list_letters() -> None:
    """Print the open letters, the oldest first."""
    from rich.console import Console  # noqa: PLC0415  see above

    from cli.jobs.dead_letters import letters, table  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    found = letters(KafkaSettings())
    if found:
        # Read by a program, a letter is a line, however long.
        width = None if sys.stdout.isatty() else _LONG_LINE
        Console(highlight=False, width=width).print(table(found))
    typer.echo(f"dead letters: {len(found)}" if found else "no dead letters")


@app.command()
def show(letter_id: _Id) -> None:
    """Print the headers of a letter and the beginning of its value. Vectors are left out: they are biometric data."""
    from cli.jobs.dead_letters import described, one  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    for line in described(one(KafkaSettings(), letter_id)):
        typer.echo(line)


_ONE = Annotated[str | None, typer.Option("--id", metavar="ID", help="Only this one.")]
_ALL = Annotated[bool, typer.Option("--all", help="All that are open.")]


@app.command()
def replay(*, letter_id: _ONE = None, every: _ALL = False) -> None:
    """Write letters back where they came from: same bytes, key, headers and partition. Each goes back once.

    Whoever reads that topic gets them again. What is still wrong with them makes new letters.
    """
    from cli.jobs.dead_letters import Handled, handle  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    typer.echo(f"{handle(KafkaSettings(), Handled.REPLAYED, _wanted(letter_id, every=every))} replayed")


@app.command()
def drop(*, letter_id: _ONE = None, every: _ALL = False) -> None:
    """Take letters off the list, for good."""
    from cli.jobs.dead_letters import Handled, handle  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    typer.echo(f"{handle(KafkaSettings(), Handled.DROPPED, _wanted(letter_id, every=every))} dropped")


def _wanted(letter_id: str | None, *, every: bool) -> str | None:
    """Return the letter that is meant, None for all."""
    if (letter_id is None) is not every:
        msg = "expected either --id ID or --all"
        raise typer.BadParameter(msg)
    return letter_id
