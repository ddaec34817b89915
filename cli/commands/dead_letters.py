"""`facestream dead-letters`: messages that could not be processed.

The id of a dead letter is its position in the topic, `partition@offset`. Kafka cannot delete a single record. So a
letter that was replayed or dropped is marked by a later record in the same topic, and is no longer listed. Marked
letters at the beginning of the topic are deleted at once; the others when they become the beginning, or after the
topic's retention of 30 days.
"""

from typing import Annotated

import typer

app = typer.Typer(help="List, show, replay and drop messages that could not be processed.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the letter, partition@offset, as `list` prints it.")]
_OneId = Annotated[str | None, typer.Option("--id", metavar="ID", help="Id of one letter, partition@offset.")]
_All = Annotated[bool, typer.Option("--all", help="Select all open letters.")]


@app.command("list")
def list_letters() -> None:
    """Print the open dead letters, the oldest first."""
    from cli.jobs.dead_letters import open_letters, table
    from cli.output.tables import print_table
    from shared.adapters.kafka.settings import KafkaSettings

    letters = open_letters(KafkaSettings())
    if letters:
        print_table(table(letters))
    typer.echo(f"dead letters: {len(letters)}" if letters else "no dead letters")


@app.command()
def show(letter_id: _Id) -> None:
    """Print the headers of a dead letter and the beginning of its value, without vectors, which are biometric."""
    from cli.jobs.dead_letters import described, record_of
    from shared.adapters.kafka.settings import KafkaSettings

    for line in described(record_of(KafkaSettings(), letter_id)):
        typer.echo(line)


@app.command()
def replay(*, letter_id: _OneId = None, every: _All = False) -> None:
    """Write dead letters back to their topics, with the same bytes, key, headers and partition. Each is written once.

    The services read them again. A message that still cannot be processed becomes a new dead letter.
    """
    from cli.jobs.dead_letters import replay as replay_letters
    from shared.adapters.kafka.settings import KafkaSettings

    typer.echo(f"{replay_letters(KafkaSettings(), _selected(letter_id, every=every))} replayed")


@app.command()
def drop(*, letter_id: _OneId = None, every: _All = False) -> None:
    """Remove dead letters from the list permanently."""
    from cli.jobs.dead_letters import drop as drop_letters
    from shared.adapters.kafka.settings import KafkaSettings

    typer.echo(f"{drop_letters(KafkaSettings(), _selected(letter_id, every=every))} dropped")


def _selected(letter_id: str | None, *, every: bool) -> str | None:
    """Return the id of the letter that the options select, None for all."""
    if (letter_id is None) is not every:
        msg = "expected either --id ID or --all"
        raise typer.BadParameter(msg)
    return letter_id
