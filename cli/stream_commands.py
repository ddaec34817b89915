"""Commands for operators of the stream: `facestream init`, `ingest`, `watch`, `reconcile` and `announce`.

Imports are inside, as in `photo_commands.py`. The environment names the servers, as it does for the services.
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
    photos: Annotated[Path, typer.Argument(help="Folder of photographs. Its subfolders are searched too.")],
    *,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Number of photographs that are uploaded at once.")] = 8,
) -> None:
    """Upload a folder of photographs to the bucket, from which the stream processes them.

    The key of an object is the photograph's path below the folder. A photograph that the bucket has already (with the
    same size and MD5) is skipped, so that the same command continues an interrupted upload. A photograph that cannot be
    uploaded is reported in a line, and the command continues with the others; the exit status is then 1.
    """
    from cli.jobs.ingesting import ingest_folder  # noqa: PLC0415  see above

    uploaded = ingest_folder(photos, threads)
    for line in uploaded.lines():
        say(line)
    raise typer.Exit(1 if uploaded.failed else 0)


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
    from cli.jobs.following import follow, human_line, json_line  # noqa: PLC0415  see above

    try:
        for record in follow(from_beginning=from_beginning):
            say(json_line(record) if as_json else human_line(record))
    except KeyboardInterrupt:
        raise typer.Exit from None


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
    """Publish the person of every face and the outcome of every photograph again, after Kafka has lost them.

    Nothing is computed, and the database is not changed. Programs that have read the records before read them again.
    """
    from cli.jobs.repeating import repeat_all  # noqa: PLC0415  see above
    from services.reclusterer.generations.publish import NOT_ANNOUNCED  # noqa: PLC0415  see above

    told = repeat_all()
    say(f"told of {told.faces} faces, {told.clusters} people and {told.photos} photographs")
    if not told.is_complete:
        say(NOT_ANNOUNCED, on_error_stream=True)
