"""The stream's operator: `facestream init`, `ingest`, `watch`, `reconcile` and `announce`.

Imports are inside, as in `photo_commands.py`. Where the servers are is said by the environment, as for the services.
"""

import time
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say
from shared.durations import period_of
from shared.errors import Transient


def init(
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Partitions of each topic; as many processes of a service share the work."
        ),
    ] = None,
) -> None:
    """Make what the stream needs, or bring it up to date: topics, buckets, the bucket's notification, indexes.

    With the login of a server's administrator (FACESTREAM_ADMIN_*), users too: one for each service, with its rights
    alone; a password that was changed in its file is changed in the server. Prints a line for each change. Nothing is
    ever taken away, no partition and no time that records are kept; where something is more than wanted, a line says
    that it is left.
    """
    from cli.jobs.making_users import make_users, servers  # noqa: PLC0415  see above
    from cli.jobs.setting_up import set_up  # noqa: PLC0415  see above
    from shared.access.admin_settings import AdminSettings  # noqa: PLC0415  see above
    from shared.adapters.kafka.admin import KafkaAdmin  # noqa: PLC0415  see above
    from shared.adapters.minio.store import MinioStore  # noqa: PLC0415  see above
    from shared.adapters.mongo.repository import MongoRepository  # noqa: PLC0415  see above
    from shared.settings import BucketSettings  # noqa: PLC0415  see above

    admin, buckets = AdminSettings(), BucketSettings()
    reached = servers(admin)
    admin.folder()  # is looked for before anything is changed
    kafka, store = KafkaAdmin(reached.kafka), MinioStore(reached.minio)
    changes = 0
    with MongoRepository(reached.mongo) as repository:
        users = make_users(admin, reached, buckets)
        for line, is_change in chain(users, set_up(kafka, store, repository, buckets, partitions)):
            say(line)
            changes += is_change
    if not changes:
        say("nothing to change")


def ingest(
    photos: Annotated[Path, typer.Argument(help="Folder of photographs, with or without subfolders.")],
    *,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Photographs that are uploaded at once.")] = 8,
) -> None:
    """Upload a folder of photographs into the bucket; the stream takes them from there.

    A key is the photograph's path below the folder. What the bucket has already (same size and MD5) is passed over,
    so that the same command goes on where it was interrupted. A photograph that cannot be uploaded is told in a line,
    and the others are; the exit status is then 1.
    """
    from cli.jobs.ingesting import ingest_folder  # noqa: PLC0415  see above

    uploaded = ingest_folder(photos, threads)
    for line in uploaded.lines():
        say(line)
    raise typer.Exit(1 if uploaded.failed else 0)


def watch(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one a line.")] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with what was said before; else with what comes now.")
    ] = False,
) -> None:
    """Print who is found on which photograph, as it becomes known, and which generation is in force, until Ctrl-C.

    With --json a face that is no more is `face_id` with the cause `erased`, and a publication has `published_at`.
    """
    from cli.jobs.following import follow, human_line, json_line  # noqa: PLC0415  see above

    try:
        for record in follow(from_beginning=from_beginning):
            say(json_line(record) if as_json else human_line(record))
    except KeyboardInterrupt:
        raise typer.Exit from None


def reconcile(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be announced.")] = False,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds; what changed since is left alone, it may be on its way.")
    ] = 3600,
    every: Annotated[
        timedelta | None,
        typer.Option(metavar="TIME", parser=period_of, help="Go on for ever, once in 7d, 12h, 30m or 45s."),
    ] = None,
    largest_loss: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of the known photographs; where more are gone, none is announced as removed, with 1 all are. Up to 20"
            " always are, 5 where the bucket is empty. [default: 0.2, or FACESTREAM_RECONCILER_LARGEST_LOSS]",
        ),
    ] = None,
    unreadable: Annotated[
        bool,
        typer.Option("--unreadable", help="Have all unreadable photographs tried again: limits or decoders changed."),
    ] = False,
) -> None:
    """Compare the bucket with the database, and announce what the stream has not heard of.

    Photographs without an outcome (a notification was lost, or the bucket was filled before the stream ran) are
    announced as uploaded, known ones whose object is gone as removed; where that are too many, a line says so and the
    exit status is 3, or 0 while the stream has more to read. Photographs that could not be read for a reason that may
    pass (no permission, time or memory) are announced again, up to 100 in a run. Made to be run on a schedule: with
    --every, and FACESTREAM_SERVICE_HEALTH_PORT set it has metrics.
    """
    from cli.jobs.reconciling import Held, reconcile_bucket, told_metrics  # noqa: PLC0415  see above

    health = told_metrics(every) if every else None
    while True:
        try:
            done = reconcile_bucket(dry_run=dry_run, grace=grace, largest_loss=largest_loss, unreadable=unreadable)
            for line in done:
                say(line)
        except (Transient, Held) as error:
            if every is None:
                raise
            given_up = str(error) if isinstance(error, Held) else f"given up until the next time: {error}"
            say(given_up, on_error_stream=True)
        if every is None or health is None:
            return
        health.looped()
        time.sleep(every.total_seconds())


def announce() -> None:
    """Say again who every face is, and what became of every photograph: for a Kafka that has lost it.

    Nothing is computed anew, and the database is not changed. Who has heard it before hears the same once more.
    """
    from cli.jobs.repeating import repeat_all  # noqa: PLC0415  see above
    from services.reclusterer.generations.publish import NOT_TOLD  # noqa: PLC0415  see above

    told = repeat_all()
    say(f"told of {told.faces} faces, {told.clusters} people and {told.photos} photographs")
    if not told.ended:
        say(NOT_TOLD, on_error_stream=True)
