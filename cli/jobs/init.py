"""The work of `facestream init`: create or update topics, buckets, the bucket's notification, indexes and users."""

from collections.abc import Iterator
from itertools import chain

from cli.server_setup.service_users import make_users, servers
from cli.server_setup.topic_plan import partitions_text, planned, retention_text
from shared.access.admin_settings import AdminSettings
from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.domain.topics import TOPICS, Topic
from shared.settings import BucketSettings


def set_up_servers(partitions: int | None) -> Iterator[str]:
    """Create or update what the stream needs on the servers of the settings; yield a line for each change.

    `partitions`: of each topic but `dead-letters`; None: as many as the topic table wants. Raises `InvalidInput`,
    `Fatal`, `Transient`.
    """
    admin, buckets = AdminSettings(), BucketSettings()
    reached = servers(admin)
    admin.folder()  # raises before anything is changed
    kafka, store = KafkaAdmin(reached.kafka), MinioStore(reached.minio)
    changes = 0
    with MongoRepository(reached.mongo) as repository:
        lines = chain(
            make_users(admin, reached, buckets),
            _topics(kafka, partitions),
            _buckets(store, buckets),
            _indexes(repository),
        )
        for line, is_change in lines:
            yield line
            changes += is_change
    if not changes:
        yield "nothing to change"


def _topics(kafka: KafkaAdmin, partitions: int | None) -> Iterator[tuple[str, bool]]:
    """Create or update all topics; yield lines, and for each whether it is about a change."""
    for topic in TOPICS:
        wanted = topic.partitions if partitions is None or topic.partitions == 1 else partitions
        yield from _topic(kafka, topic, wanted)


def _topic(kafka: KafkaAdmin, topic: Topic, partitions: int) -> Iterator[tuple[str, bool]]:
    state = kafka.topic(topic.name)
    if state is None:
        if kafka.create(topic.name, partitions, topic.configuration()):
            made = f"{partitions_text(partitions)}, {retention_text(topic.configuration())}"
            yield f"topic {topic.name}: made, {made}", True
        else:  # another process has created it since
            yield from _topic(kafka, topic, partitions)
        return
    plan = planned(topic, state, partitions)
    if plan.partitions:
        kafka.add_partitions(topic.name, plan.partitions)
        yield f"topic {topic.name}: {partitions_text(plan.partitions)}, before {state.partitions}", True
    if plan.configuration:
        kafka.configure(topic.name, plan.configuration)
        for name, value in plan.configuration.items():
            yield f"topic {topic.name}: {name} {value}, before {state.configuration.get(name, 'not set')}", True
    yield from ((f"topic {topic.name}: left as it is: {reason}", False) for reason in plan.left)


def _buckets(store: MinioStore, buckets: BucketSettings) -> Iterator[tuple[str, bool]]:
    """Create the buckets and the notification; yield lines as `_topics` does."""
    for bucket in (buckets.photos, buckets.faces):
        if store.make_bucket(bucket):
            yield f"bucket {bucket}: made", True
    # After the topics: the object store does not start to send to a topic that does not exist.
    if store.notify(buckets.photos, buckets.notification):
        yield f"bucket {buckets.photos}: changes are sent to {buckets.notification}", True


def _indexes(repository: MongoRepository) -> Iterator[tuple[str, bool]]:
    for index in repository.create_indexes():
        yield f"index {index}: made", True
