"""`facestream watch`. The environment names the Kafka cluster, as it does for the services."""

from typing import Annotated

import typer

from cli.output.terminal import say


def watch(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one per line.")] = False,
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning", help="Begin with the oldest record. Without it, only new records are printed."
        ),
    ] = False,
) -> None:
    """Print the person of each face and each new active generation, as they are published, until Ctrl-C.

    With --json, an erased face is printed as its `face_id` with the cause `erased`; the event of a new active
    generation is the one with `published_at`.
    """
    from cli.jobs.watch import follow, human_line, json_line

    try:
        for record in follow(from_beginning=from_beginning):
            say(json_line(record) if as_json else human_line(record))
    except KeyboardInterrupt:
        raise typer.Exit from None
