"""Everything that the users of a restricted stack do, each with its own rights: services, jobs, commands, readers."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, Producer
from minio.notificationconfig import NotificationConfig

from cli.jobs.watch import follow
from shared.access.rights import READ_BY, READER_GROUPS, RIGHTS
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.topics import (
    DEAD_LETTERS,
    FACES_EMBEDDED,
    IMAGES_UPLOADED,
    TOPICS,
)
from tests.support.command_line import Command, facestream_in_process
from tests.support.restricted_stack import RestrictedStack
from tools.pipeline import Pipeline
from tools.samples import PEOPLE, link_photos, sample_photos

_MIN_CLUSTER_SIZE = 3  # faces
_COMPACTED = tuple(topic.name for topic in TOPICS if topic.cleanup == "compact")
_PUBLISHED = tuple(right.name for right in RIGHTS["reader"].kafka if right.resource == "topic")
_LONG_AGO = 3 * 24 * 3600 * 1000  # milliseconds
_TIMEOUT = 60.0  # seconds
_RETURNED = "returned.jpg"
_PHOTOS = 4  # photographs of one person


def everything(world: RestrictedStack, folder: Path) -> None:
    """Do the work of every user; raises AssertionError if one of them lacks a right."""
    pipeline = Pipeline(world.stack, folder, of_service={user: world.environment(user) for user in RIGHTS})
    _initialise(world)
    try:
        _stream(world, pipeline, folder / "photos")
        pipeline.recluster(_MIN_CLUSTER_SIZE)
    finally:
        for process in pipeline.processes.values():
            process.stop()
    _operate(world)
    _reconcile(world)
    _scale_and_read(world)


def command(*arguments: str | Path) -> Command:
    """Run a command, check that it succeeds, and return its result."""
    done = facestream_in_process(*arguments)
    assert (done.status, done.error) == (0, ""), f"{arguments}: {done}"
    return done


def _initialise(world: RestrictedStack) -> None:
    """Create all topics; then add partitions and restore a configuration that differs."""
    with world.acting_as("init"):
        command("init", "--partitions", "1")
    admin = KafkaAdmin(_administrator(world))
    for topic in TOPICS:
        admin.configure(topic.name, {"max.message.bytes": "1000"})
    with world.acting_as("init"):
        command("init", "--partitions", "2")


def _stream(world: RestrictedStack, pipeline: Pipeline, photos: Path) -> None:
    """Process photographs; remove one and put it back after its crops are lost; write a bad record to each topic."""
    for service in ("detector", "quality", "embedder"):
        pipeline.launch(service, 0)
    link_photos(photos, *sample_photos(PEOPLE[0])[:_PHOTOS])
    (photos / "broken.jpg").write_bytes(b"no picture")
    with world.acting_as("cli"):
        command("ingest", photos)
    data = sample_photos(PEOPLE[1])[0].read_bytes()
    put = partial(pipeline.store.put, "photos", _RETURNED, data, "image/jpeg")
    for number, change in enumerate((put, partial(pipeline.store.remove, "photos", [_RETURNED]), put), 1):
        change()  # one after the other, so that the photograph exists when the detector reads it
        wanted = _PHOTOS + 1 + number
        pipeline.wait(partial(_holds, pipeline, FACES_EMBEDDED.name, wanted), "the returned photograph")
    _write(world, *((topic.name, b"no message", None) for topic in READ_BY.values()))
    pipeline.store.remove("faces", [info.key for info in pipeline.store.list("faces")])
    pipeline.start("assigner")
    pipeline.wait(partial(_holds, pipeline, DEAD_LETTERS.name, len(READ_BY)), "a dead letter of each service")
    source = b"facestream:assigner"
    pipeline.wait(
        lambda: any(source in (record.value or b"") for record in pipeline.read(IMAGES_UPLOADED.name)), "the repeat"
    )
    crops = [info.key for info in pipeline.store.list("faces")]
    pipeline.store.remove("photos", [_RETURNED])
    pipeline.wait(lambda: {info.key for info in pipeline.store.list("faces")} < set(crops), "the removal of crops")


def _holds(pipeline: Pipeline, topic: str, count: int) -> bool:
    return len(pipeline.read(topic)) == count


def _operate(world: RestrictedStack) -> None:
    with world.acting_as("cli"):
        listed = command("dead-letters", "list").lines[1:-1]
        letters = [line.split()[0] for line in listed]
        command("dead-letters", "show", letters[0])
        command("dead-letters", "replay", "--all")
        command("dead-letters", "drop", "--all")
        command("announce")
        command("generations", "list")
        command("generations", "pin", "1")
        next(follow(from_beginning=True))


def _reconcile(world: RestrictedStack) -> None:
    """Reconcile twice: after uploads and removals without notifications, with lag and with idle partitions."""
    root = world.stack.minio.client()
    notification = root.get_bucket_notification("photos")
    for number, user in enumerate(("reconciler", "cli")):
        root.set_bucket_notification("photos", NotificationConfig())
        names = sorted(found.object_name or "" for found in root.list_objects("photos", recursive=True))
        root.remove_object("photos", names[0])
        root.fput_object("photos", f"unannounced-{number}.jpg", str(sample_photos(PEOPLE[2])[0]))
        root.set_bucket_notification("photos", notification)
        old = int(time.time() * 1000) - _LONG_AGO
        _write(world, *((name, b"somebody", old) for name in _COMPACTED))
        with world.acting_as(user):
            lines = command("reconcile", "--grace", "0").lines
            assert any("idle partitions: a record was written to each" in line for line in lines), lines
            assert f"{number + 1} known and gone from the bucket: announced as removed" in lines, lines


def _scale_and_read(world: RestrictedStack) -> None:
    """Ask for the lag of the services, as KEDA does, and read the events in a consumer group."""
    with world.acting_as("keda"):
        admin = KafkaAdmin(KafkaSettings())
        for service, topic in READ_BY.items():
            assert admin.unread(f"facestream.{service}", topic.name)
    with world.acting_as("reader"):
        settings = {"group.id": f"{READER_GROUPS}people", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        consumer = Consumer({**KafkaSettings().client(), **settings})
    consumer.subscribe(list(_PUBLISHED))
    seen = set[str | None]()

    def read() -> bool:
        for message in consumer.consume(100, 0.5):
            assert not message.error(), message.error()
            seen.add(message.topic())
        return len(seen) == len(_PUBLISHED)

    _wait(read)
    consumer.commit(asynchronous=False)
    consumer.close()


def _wait(is_true: Callable[[], bool]) -> None:
    until = time.monotonic() + _TIMEOUT
    while not is_true():
        assert time.monotonic() < until, f"not true within {_TIMEOUT:g} s"


def _administrator(world: RestrictedStack) -> KafkaSettings:
    kafka = world.stack.kafka
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers, security=kafka.security, username=kafka.user, password=kafka.password
    )


def _write(world: RestrictedStack, *records: tuple[str, bytes, int | None]) -> None:
    """Write a value to each of these topics as the administrator.

    A record is topic, value, and timestamp in milliseconds since 1970 or None for now.
    """
    producer = Producer(dict(world.stack.kafka.client_settings))
    for topic, value, when in records:
        producer.produce(topic, value, b"key", timestamp=when or 0)
    assert producer.flush(30) == 0
