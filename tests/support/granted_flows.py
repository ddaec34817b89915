"""All that users of a granted stack do, each with its own rights: services, jobs, commands, and who stands around."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer, Producer
from minio.notificationconfig import NotificationConfig

from cli.jobs.watch import follow
from shared.access.rights import READ_BY, READER_GROUPS, RIGHTS
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.stream import KafkaSettings
from shared.domain.topics import (
    DEAD_LETTERS,
    FACES_EMBEDDED,
    IMAGES_UPLOADED,
    TOPICS,
)
from tests.support.granted import Granted
from tests.support.operators import Command, facestream_in_process
from tools.pipeline import Pipeline
from tools.samples import PEOPLE, link_photos, sample_photos

_SMALLEST = 3  # faces that make a person
_COMPACTED = tuple(topic.name for topic in TOPICS if topic.cleanup == "compact")
_PUBLISHED = tuple(right.name for right in RIGHTS["reader"].kafka if right.resource == "topic")
_LONG_AGO = 3 * 24 * 3600 * 1000  # milliseconds
_PATIENCE = 60.0  # seconds
_RETURNED = "returned.jpg"
_OF_A_PERSON = 4  # photographs


def everything(world: Granted, folder: Path) -> None:
    """Have every user do what it does; raises AssertionError where one cannot."""
    pipeline = Pipeline(world.stack, folder, of_service={user: world.environment(user) for user in RIGHTS})
    _initialise(world)
    try:
        _stream(world, pipeline, folder / "photos")
        pipeline.regroup(_SMALLEST)
    finally:
        for process in pipeline.processes.values():
            process.stop()
    _operate(world)
    _reconcile(world)
    _stand_around(world)


def command(*arguments: str | Path) -> Command:
    """Run a command that succeeds."""
    done = facestream_in_process(*arguments)
    assert (done.status, done.error) == (0, ""), f"{arguments}: {done}"
    return done


def _initialise(world: Granted) -> None:
    """Make everything, and then change what has changed since: more partitions, another configuration."""
    with world.acting_as("init"):
        command("init", "--partitions", "1")
    admin = KafkaAdmin(_almighty(world))
    for topic in TOPICS:
        admin.configure(topic.name, {"max.message.bytes": "1000"})
    with world.acting_as("init"):
        command("init", "--partitions", "2")


def _stream(world: Granted, pipeline: Pipeline, photos: Path) -> None:
    """Photographs come, one goes and comes back without its crops, and in each topic something is no message at all."""
    for service in ("detector", "quality", "embedder"):
        pipeline.launch(service, 0)
    link_photos(photos, *sample_photos(PEOPLE[0])[:_OF_A_PERSON])
    (photos / "broken.jpg").write_bytes(b"no picture")
    with world.acting_as("cli"):
        command("ingest", photos)
    data = sample_photos(PEOPLE[1])[0].read_bytes()
    put = partial(pipeline.store.put, "photos", _RETURNED, data, "image/jpeg")
    for number, change in enumerate((put, partial(pipeline.store.remove, "photos", [_RETURNED]), put), 1):
        change()  # each is through before the next, so that the photograph is there when the detector reads it
        wanted = _OF_A_PERSON + 1 + number
        pipeline.wait(partial(_holds, pipeline, FACES_EMBEDDED.name, wanted), "the photograph that returns")
    _write(world, *((topic.name, b"no message", None) for topic in READ_BY.values()))
    pipeline.store.remove("faces", [info.key for info in pipeline.store.list("faces")])
    pipeline.start("assigner")
    pipeline.wait(partial(_holds, pipeline, DEAD_LETTERS.name, len(READ_BY)), "a dead letter of each service")
    said = b"facestream:assigner"
    pipeline.wait(lambda: any(said in (record.value or b"") for record in pipeline.read(IMAGES_UPLOADED.name)), "again")
    crops = [info.key for info in pipeline.store.list("faces")]
    pipeline.store.remove("photos", [_RETURNED])
    pipeline.wait(lambda: {info.key for info in pipeline.store.list("faces")} < set(crops), "the crops to go")


def _holds(pipeline: Pipeline, topic: str, count: int) -> bool:
    return len(pipeline.read(topic)) == count


def _operate(world: Granted) -> None:
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


def _reconcile(world: Granted) -> None:
    """Something came and went that nobody was told of; services lag; compacted topics have idle partitions."""
    root = world.stack.minio.client()
    told = root.get_bucket_notification("photos")
    for number, user in enumerate(("reconciler", "cli")):
        root.set_bucket_notification("photos", NotificationConfig())
        names = sorted(found.object_name or "" for found in root.list_objects("photos", recursive=True))
        root.remove_object("photos", names[0])
        root.fput_object("photos", f"unheard-{number}.jpg", str(sample_photos(PEOPLE[2])[0]))
        root.set_bucket_notification("photos", told)
        old = int(time.time() * 1000) - _LONG_AGO
        _write(world, *((name, b"somebody", old) for name in _COMPACTED))
        with world.acting_as(user):
            lines = command("reconcile", "--grace", "0").lines
            assert any("idle partitions: a record was written to each" in line for line in lines), lines
            assert f"{number + 1} known and gone from the bucket: announced as removed" in lines, lines


def _stand_around(world: Granted) -> None:
    """Who scales the services asks for their lag; who reads the events joins a group."""
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
    until = time.monotonic() + _PATIENCE
    while not is_true():
        assert time.monotonic() < until, "waited in vain"


def _almighty(world: Granted) -> KafkaSettings:
    kafka = world.stack.kafka
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap_servers, security=kafka.security, username=kafka.user, password=kafka.password
    )


def _write(world: Granted, *records: tuple[str, bytes, int | None]) -> None:
    """Write a value to each of these topics, at a time in milliseconds or now, as somebody who may."""
    producer = Producer(dict(world.stack.kafka.client_settings))
    for topic, value, when in records:
        producer.produce(topic, value, b"key", timestamp=when or 0)
    assert producer.flush(30) == 0
