"""The rights of each user of Kafka, MinIO and MongoDB: one table, from which access lists and policies are generated.

Least privilege: each user has the rights that it uses and no others (`tests/integration/test_rights.py` compares both).
In Kafka, Read, Write, Delete and Alter imply Describe, and AlterConfigs implies DescribeConfigs. So the table has
Describe only if no other right implies it.
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
"""Prefix of all names of users, groups and transactional ids of the product."""
READER_GROUPS = "downstream."
"""Prefix of the names of downstream consumer groups."""

_OF_BUCKETS = {"s3:CreateBucket", "s3:GetBucketNotification", "s3:ListBucket", "s3:PutBucketNotification"}


@dataclass(frozen=True, slots=True)
class KafkaRight:
    """Operations that a user may do on one Kafka resource, or on all whose names begin with `name` ("prefix")."""

    resource: Literal["topic", "group", "transactionalId", "cluster"]
    name: str
    pattern: Literal["literal", "prefix"]
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BucketRight:
    """Actions that a user may do on a bucket and its objects, by S3's names."""

    bucket: Literal["photos", "faces"]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one user; `mongo` is its role on the product's database."""

    user: str
    kafka: tuple[KafkaRight, ...] = ()
    buckets: tuple[BucketRight, ...] = ()
    mongo: Literal["none", "read", "readWrite"] = "none"


def s3_policy(rights: Rights, buckets: BucketSettings) -> dict[str, Any]:
    """Return the policy document of a user (IAM's JSON, as for MinIO). Without rights it has no statement."""
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
    """Return the roles of a user in the form of MongoDB's `createUser`; none if the user needs no login."""
    return [] if rights.mongo == "none" else [{"role": rights.mongo, "db": database}]


def _statements(right: BucketRight, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield one statement for the bucket and one for its objects: in S3, an action belongs to one kind of resource."""
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
    """Return the operations for creating and changing a topic. A topic of one partition never gets more partitions."""
    return ["Create", "AlterConfigs", "Describe" if topic.partitions == 1 else "Alter"]


def _group(name: str, operation: str) -> KafkaRight:
    return KafkaRight("group", name, "literal", (operation,))


def _transactions(name: str, pattern: Literal["literal", "prefix"] = "literal") -> KafkaRight:
    """Return the right to write in transactions of this id. Each process of a service has its own id."""
    return KafkaRight("transactionalId", f"{PREFIX}.{name}", pattern, ("Write",))


def _streaming(service: str, source: Topic, *targets: Topic) -> tuple[KafkaRight, ...]:
    """Return the rights of a service that reads one topic in its group and writes others in transactions."""
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
)  # librdkafka looks for a group coordinator even if the client joins no group
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
        # `images.uploaded`: the assigner requests detection again for photographs whose crops are missing.
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
            # It writes to their idle partitions, so that Kafka compacts away erased faces.
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
            # Read: for `reconcile`, which a person can run too. Write: to replay dead letters into their topics.
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
"""By user name without prefix. `cli`: the person who runs commands. `reader`: a downstream consumer."""
