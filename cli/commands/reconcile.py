"""`facestream reconcile`. The environment names the servers, as it does for the services."""

from datetime import timedelta
from typing import Annotated

import typer

from cli.output.terminal import say
from shared.durations import period_of


def reconcile(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be announced.")] = False,
    grace: Annotated[
        float,
        typer.Option(
            min=0, help="Age in seconds. Younger changes are left out: their notifications may still be on the way."
        ),
    ] = 3600,
    every: Annotated[
        timedelta | None,
        typer.Option(
            metavar="TIME", parser=period_of, help="Repeat until stopped, at an interval such as 7d, 12h, 30m or 45s."
        ),
    ] = None,
    largest_loss: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Largest share of the known photographs that are announced as removed at once. If more are gone, none"
            " is announced; with 1, all are. Up to 20 are always announced, up to 5 if the bucket is empty. The default"
            " is 0.2, or FACESTREAM_RECONCILER_LARGEST_LOSS.",
        ),
    ] = None,
    unreadable: Annotated[
        bool,
        typer.Option(
            "--unreadable", help="Announce all unreadable photographs again, after limits or decoders changed."
        ),
    ] = False,
) -> None:
    """Compare the bucket with the database, and announce the differences to the stream.

    A photograph without an outcome is announced as uploaded: its notification was lost, or it was in the bucket before
    the stream ran. A known photograph whose object is gone is announced as removed. If too many are gone, a line
    reports this and none is announced; the exit status is then 3, or 0 while the stream has more to read. A photograph
    that could not be read for a temporary reason (permission, time or memory) is announced again, up to 100 in one run.
    Run the command on a schedule, for example with --every; it then serves metrics if FACESTREAM_SERVICE_HEALTH_PORT is
    set.
    """
    from cli.jobs.reconcile import ReconcileOptions, reconcile_bucket, reconcile_on_schedule

    options = ReconcileOptions(
        dry_run=dry_run, grace=timedelta(seconds=grace), largest_loss=largest_loss, unreadable=unreadable
    )
    if every is None:
        for line in reconcile_bucket(options):
            say(line)
    else:
        reconcile_on_schedule(every, options)
