"""`facestream dead-letters`: messages that could not be processed. Imports are inside, as in `photo_commands.py`.

The id of a letter is its position in the topic, `partition@offset`. Kafka cannot delete a single record. So a letter
that was replayed or dropped is marked by a later record in the same topic, and is no longer listed. Marked letters at
the beginning of the topic are deleted at once; the others when they become the beginning, or after the topic's
retention of 30 days.
"""

import sys
from typing import Annotated

import typer

app = typer.Typer(help="List, show, replay and drop messages that could not be processed.", no_args_is_help=True)

_LONG_LINE = 2000  # characters
_Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the letter, partition@offset, as `list` prints it.")]


@app.command("list")
def list_letters() -> None:
    """Print the open dead letters, the oldest first."""
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
    """Print the headers of a dead letter and the beginning of its value, without vectors, which are biometric."""
    from cli.jobs.dead_letters import described, one  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    for line in described(one(KafkaSettings(), letter_id)):
        typer.echo(line)


_ONE = Annotated[str | None, typer.Option("--id", metavar="ID", help="Id of one letter, partition@offset.")]
_ALL = Annotated[bool, typer.Option("--all", help="Select all open letters.")]


@app.command()
def replay(*, letter_id: _ONE = None, every: _ALL = False) -> None:
    """Write dead letters back to their topics, with the same bytes, key, headers and partition. Each is written once.

    The services read them again. A message that still cannot be processed becomes a new dead letter.
    """
    from cli.jobs.dead_letters import Handled, handle  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    typer.echo(f"{handle(KafkaSettings(), Handled.REPLAYED, _wanted(letter_id, every=every))} replayed")


@app.command()
def drop(*, letter_id: _ONE = None, every: _ALL = False) -> None:
    """Remove dead letters from the list permanently."""
    from cli.jobs.dead_letters import Handled, handle  # noqa: PLC0415  see above
    from shared.adapters.kafka.stream import KafkaSettings  # noqa: PLC0415  see above

    typer.echo(f"{handle(KafkaSettings(), Handled.DROPPED, _wanted(letter_id, every=every))} dropped")


def _wanted(letter_id: str | None, *, every: bool) -> str | None:
    """Return the letter that is meant, None for all."""
    if (letter_id is None) is not every:
        msg = "expected either --id ID or --all"
        raise typer.BadParameter(msg)
    return letter_id
