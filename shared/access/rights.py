"""The rights of each user of Kafka, MinIO and MongoDB: one table, from which access lists and policies are made.

Least privilege: each has what it uses, and nothing else (`tests/integration/test_rights.py` compares both). In Kafka a
right may imply others: Read, Write, Delete and Alter imply Describe, AlterConfigs implies DescribeConfigs. So Describe
stands only where nothing implies it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.domain.topics import (
    CLUSTERS_CHANGED,
    DEAD_LETTERS,
    FACES_ASSIGNED,
    FACES_DETECTED,
    FACES_EMBEDDED,
    FACES_SCREENED,
    GENERATIONS_PUBLISHED,
    IMAGES_PROCESSED,
    IMAGES_UPLOADED,
    TOPICS,
    Topic,
)
from shared.settings import BucketSettings

PREFIX = "facestream"
"""What the names of all users, groups and transactional ids of the product begin with."""
READER_GROUPS = "downstream."
"""What the names of the groups of downstream consumers begin with."""

_OF_BUCKETS = {"s3:CreateBucket", "s3:GetBucketNotification", "s3:ListBucket", "s3:PutBucketNotification"}


@dataclass(frozen=True, slots=True)
class KafkaRight:
    """What a user may do with one resource of Kafka, or with all whose names begin with `name` ("prefix")."""

    resource: Literal["topic", "group", "transactionalId", "cluster"]
    name: str
    pattern: Literal["literal", "prefix"]
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BucketRight:
    """What a user may do with a bucket and its objects, by the names of S3's actions."""

    bucket: Literal["photos", "faces"]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user may do; `mongo` is its role on the product's database."""

    user: str
    kafka: tuple[KafkaRight, ...] = ()
    buckets: tuple[BucketRight, ...] = ()
    mongo: Literal["none", "read", "readWrite"] = "none"


def s3_policy(rights: Rights, buckets: BucketSettings) -> dict[str, Any]:
    """Return the policy document (IAM's JSON, as MinIO takes it) of a user; without a statement where it has none."""
    names = {"photos": buckets.photos, "faces": buckets.faces}
    return {"Version": "2012-10-17", "Statement": [it for right in rights.buckets for it in _statements(right, names)]}


def acls(rights: Rights) -> list[dict[str, Any]]:
    """Return the access list of a user, in the form of Strimzi's `KafkaUser`."""
    return [
        {
            "resource": _cluster() if right.resource == "cluster" else _named(right),
            "operations": list(right.operations),
        }
        for right in rights.kafka
    ]


def mongo_roles(rights: Rights, database: str) -> list[dict[str, str]]:
    """Return the roles of a user, as MongoDB's `createUser` takes them; none where it needs no login."""
    return [] if rights.mongo == "none" else [{"role": rights.mongo, "db": database}]


def _statements(right: BucketRight, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what is allowed on the bucket, and on its objects: S3 takes an action with a resource of its kind only."""
    where = f"arn:aws:s3:::{names[right.bucket]}"
    of_bucket = [action for action in right.actions if action in _OF_BUCKETS]
    of_objects = [action for action in right.actions if action not in _OF_BUCKETS]
    for actions, resource in ((of_bucket, where), (of_objects, f"{where}/*")):
        if actions:
            yield {"Effect": "Allow", "Action": actions, "Resource": [resource]}


def _cluster() -> dict[str, str]:
    return {"type": "cluster"}


def _named(right: KafkaRight) -> dict[str, str]:
    return {"type": right.resource, "name": right.name, "patternType": right.pattern}


def _topics(operations: Sequence[str], *topics: Topic) -> tuple[KafkaRight, ...]:
    return tuple(KafkaRight("topic", topic.name, "literal", tuple(operations)) for topic in topics)


def _made(topic: Topic) -> Sequence[str]:
    """Return what is done to a topic by who makes it; one that has a single partition for good gets no more of them."""
    return ["Create", "AlterConfigs", "Describe" if topic.partitions == 1 else "Alter"]


def _group(name: str, operation: str) -> KafkaRight:
    return KafkaRight("group", name, "literal", (operation,))


def _transactions(name: str, pattern: Literal["literal", "prefix"] = "literal") -> KafkaRight:
    """Return the right to write in transactions of this name; each process of a service has a name of its own."""
    return KafkaRight("transactionalId", f"{PREFIX}.{name}", pattern, ("Write",))


def _streaming(service: str, source: Topic, *targets: Topic) -> tuple[KafkaRight, ...]:
    """Return what a service needs that reads one topic in its group, and writes others in transactions."""
    return (
        *_topics(["Read"], source),
        *_topics(["Write"], *targets, DEAD_LETTERS),
        _group(f"{PREFIX}.{service}", "Read"),
        _transactions(f"{service}.", "prefix"),
    )


READ_BY: Mapping[str, Topic] = {
    "detector": IMAGES_UPLOADED,
    "quality": FACES_DETECTED,
    "embedder": FACES_SCREENED,
    "assigner": FACES_EMBEDDED,
}
"""The topic that each streaming service reads."""

_ALL_READ = tuple(READ_BY.values())
_COMPACTED = tuple(topic for topic in TOPICS if topic.cleanup == "compact")
_LAG = tuple(_group(f"{PREFIX}.{service}", "Describe") for service in READ_BY)
_WITHOUT_GROUP = _group(
    f"{PREFIX}.reader", "Describe"
)  # librdkafka looks for a coordinator, also of who joins no group
_READS_CROPS = BucketRight("faces", ("s3:ListBucket", "s3:GetObject"))
_READS_PHOTOS = BucketRight("photos", ("s3:ListBucket", "s3:GetObject"))

_TABLE = (
    Rights(
        "detector",
        _streaming("detector", IMAGES_UPLOADED, FACES_DETECTED),
        (_READS_PHOTOS, BucketRight("faces", ("s3:ListBucket", "s3:PutObject"))),
    ),
    Rights("quality", _streaming("quality", FACES_DETECTED, FACES_SCREENED), (_READS_CROPS,)),
    Rights("embedder", _streaming("embedder", FACES_SCREENED, FACES_EMBEDDED), (_READS_CROPS,)),
    Rights(
        "assigner",
        # `images.uploaded`: it asks for photographs whose crops are missing to be detected once more.
        _streaming("assigner", FACES_EMBEDDED, FACES_ASSIGNED, IMAGES_PROCESSED, IMAGES_UPLOADED),
        (BucketRight("faces", ("s3:ListBucket", "s3:GetObject", "s3:DeleteObject")),),
        "readWrite",
    ),
    Rights(
        "reclusterer",
        (*_topics(["Write"], FACES_ASSIGNED, CLUSTERS_CHANGED, GENERATIONS_PUBLISHED), _transactions("reclusterer")),
        mongo="readWrite",
    ),
    Rights(
        "reconciler",
        (
            *_topics(["Read", "Write"], IMAGES_UPLOADED),
            *_topics(["Read"], FACES_DETECTED, FACES_SCREENED, FACES_EMBEDDED),
            # It writes to idle partitions of these, so that Kafka forgets what was erased.
            *_topics(["Read", "Write", "DescribeConfigs"], *_COMPACTED),
            *_LAG,
            _WITHOUT_GROUP,
            _transactions("reconcile"),
        ),
        (_READS_PHOTOS,),
        "read",
    ),
    Rights(
        "init",
        tuple(right for topic in TOPICS for right in _topics(_made(topic), topic)),
        (
            BucketRight(
                "photos",
                ("s3:CreateBucket", "s3:ListBucket", "s3:GetBucketNotification", "s3:PutBucketNotification"),
            ),
            BucketRight("faces", ("s3:CreateBucket", "s3:ListBucket")),
        ),
        "readWrite",
    ),
    Rights(
        "cli",
        (
            # Read: what `reconcile` does, which a person runs too. Write: dead letters go back where they came from.
            *_topics(["Read", "Write"], *_ALL_READ),
            *_topics(["Read", "Write", "DescribeConfigs"], *_COMPACTED),
            *_topics(["Read", "Write", "Delete", "DescribeConfigs"], DEAD_LETTERS),
            *_LAG,
            _WITHOUT_GROUP,
            *(_transactions(name) for name in ("reclusterer", "reconcile", "dead-letters")),
        ),
        (BucketRight("photos", ("s3:ListBucket", "s3:GetObject", "s3:PutObject")),),
        "readWrite",
    ),
    Rights("minio", _topics(["Write"], IMAGES_UPLOADED)),
    Rights("keda", (*_topics(["Describe"], *_ALL_READ), *_LAG)),
    Rights(
        "reader",
        (
            *_topics(["Read"], FACES_ASSIGNED, IMAGES_PROCESSED, CLUSTERS_CHANGED, GENERATIONS_PUBLISHED),
            KafkaRight("group", READER_GROUPS, "prefix", ("Read",)),
        ),
    ),
)

RIGHTS: Mapping[str, Rights] = {rights.user: rights for rights in _TABLE}
"""By name without prefix. `cli` is the person who runs commands, `reader` a consumer of the events."""
