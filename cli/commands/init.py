"""`facestream init`. The environment names the servers, as it does for the services."""

from typing import Annotated

import typer

from cli.output.terminal import say


def init(
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            help="Number of partitions of each topic. At most this many processes of a service share the work.",
        ),
    ] = None,
) -> None:
    """Create or update what the stream needs: topics, buckets, the bucket's notification and indexes.

    If logins of administrators are set (FACESTREAM_ADMIN_...), users are created too: one for each service, with the
    rights that it needs. A password that changed in its file is changed on the server. Each change is printed as a
    line. Nothing is taken away: a topic keeps its partitions and its retention, and a line reports if they exceed what
    is needed.
    """
    from cli.jobs.init import set_up_servers

    for line in set_up_servers(partitions):
        say(line)
