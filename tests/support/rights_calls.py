"""For each right a call of the product's adapters that needs it, made as the user of the environment."""

import time

from shared.access.rights import PREFIX, READ_BY, RIGHTS, KafkaRight
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.topics import DEAD_LETTERS
from shared.ports.streams import ProducedRecord
from shared.settings import BucketSettings

_TIMEOUT = 30.0  # seconds
_MANY = 100  # partitions; more than any topic has


def use_kafka(user: str, right: KafkaRight, operation: str) -> None:
    """Make a call that needs an operation on a resource of Kafka."""
    if user in READ_BY:
        _stream(user, right)
    elif right.resource == "transactionalId":
        KafkaWriter(KafkaSettings(), right.name.removeprefix(f"{PREFIX}."))
    elif right.resource == "group":
        _look_at_group(right.name)
    else:
        _use_topic(user, right.name, operation)


def _stream(user: str, right: KafkaRight) -> None:
    """Read a record as a service does, and write to the topic of the right in the same transaction."""
    source = READ_BY[user].name
    target = right.name if right.resource == "topic" and right.name != source else DEAD_LETTERS.name
    stream = KafkaStream(KafkaSettings(), user, "one-less", [source])
    try:
        until = time.monotonic() + _TIMEOUT
        while not (consumed := stream.consume(1, 1.0)):
            assert time.monotonic() < until, f"no record of {source} came within {_TIMEOUT:g} s"
        stream.commit(consumed, [ProducedRecord(target, b"key", b"value", {})])
    finally:
        stream.close()


def _look_at_group(name: str) -> None:
    service = name.removeprefix(f"{PREFIX}.")
    if service in READ_BY:
        KafkaAdmin(KafkaSettings()).unread(name, READ_BY[service].name)
    else:
        _follow(DEAD_LETTERS.name if _is_readable(DEAD_LETTERS.name) else READ_BY["detector"].name)


def _is_readable(topic: str) -> bool:
    """Return whether the user of the environment may read a topic."""
    rights = RIGHTS[KafkaSettings().username or ""].kafka
    return any(right.name == topic and "Read" in right.operations for right in rights)


def _use_topic(user: str, name: str, operation: str) -> None:
    admin = KafkaAdmin(KafkaSettings())
    match operation:
        case "Read":
            _read(name)
        case "Write":
            own = next(right for right in RIGHTS[user].kafka if right.resource == "transactionalId")
            writer = KafkaWriter(KafkaSettings(), own.name.removeprefix(f"{PREFIX}."))
            writer.write([ProducedRecord(name, b"key", b"value", {})])
        case "Delete":
            admin.remove_records(name, {0: 0})
        case "Create":
            admin.create(name, 1, {})
        case "Alter":
            admin.add_partitions(name, _MANY)
        case "AlterConfigs":
            admin.configure(name, {"max.message.bytes": "1000"})
        case _:
            admin.topic(name)


def _read(topic: str) -> None:
    with KafkaReader(KafkaSettings(), topic) as reader:
        for _ in reader.stored():
            return


def _follow(topic: str) -> None:
    """Read a topic for a while: the answer about the group's coordinator may come after a short topic's last record."""
    until = time.monotonic() + _TIMEOUT
    with KafkaReader(KafkaSettings(), topic) as reader:
        for _ in reader.follow_in_turns(from_beginning=True):
            if time.monotonic() > until:
                return


def use_minio(bucket: str, action: str) -> None:
    """Make a call that needs an action on a bucket. The bucket has an object `there`."""
    store = MinioStore(MinioSettings())
    match action:
        case "s3:ListBucket":
            store.reach(bucket)
        case "s3:GetObject":
            store.get(bucket, "there", 100)
        case "s3:PutObject":
            store.put(bucket, "new", b"data", "image/jpeg")
        case "s3:DeleteObject":
            store.remove(bucket, ["there"])
        case "s3:CreateBucket":
            store.make_bucket(bucket)
        case "s3:GetBucketNotification":
            store.notify(bucket, BucketSettings().notification)
        case _:
            store.notify(bucket, f"{BucketSettings().notification}-of-another")


def use_mongo(user: str) -> None:
    """Make a call that needs the role of a user in MongoDB."""
    with MongoRepository(MongoSettings()) as repository:
        if user == "init":
            repository.create_indexes()
        elif RIGHTS[user].mongo == "read":
            list(repository.images())
        else:
            repository.pin(1)
