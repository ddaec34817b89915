"""The topics as the table wants them: what has to be done to one, and what must not be done.

Nothing is ever taken away: no partition, no day of retention, no record.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.adapters.kafka.admin import KafkaAdmin, TopicState
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.domain.topics import TOPICS, Topic
from shared.settings import BucketSettings

_DAY = 24 * 60 * 60 * 1000  # milliseconds
_FOR_EVER = -1
_AT_LEAST = {"delete.retention.ms", "max.message.bytes"}  # more than wanted is somebody's wish, and harms nobody


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to a topic that is there: a total of partitions or None, values to set; and what is left, and why."""

    partitions: int | None = None
    configuration: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def set_up(
    kafka: KafkaAdmin, store: MinioStore, repository: MongoRepository, buckets: BucketSettings, partitions: int | None
) -> Iterator[tuple[str, bool]]:
    """Make topics, buckets, notification and indexes; yield a line for each change, and for each that was left.

    The second value says whether it is a change. `partitions`, if given, is that of every topic but `dead-letters`.
    """
    for topic in TOPICS:
        wanted = topic.partitions if partitions is None or topic.partitions == 1 else partitions
        yield from _topic(kafka, topic, wanted)
    for bucket in (buckets.photos, buckets.faces):
        if store.make_bucket(bucket):
            yield f"bucket {bucket}: made", True
    # After the topics: the object store does not start to send to a topic that is not there.
    if store.notify(buckets.photos, buckets.notification):
        yield f"bucket {buckets.photos}: what is put or removed is told to {buckets.notification}", True
    for index in repository.create_indexes():
        yield f"index {index}: made", True


def _topic(kafka: KafkaAdmin, topic: Topic, partitions: int) -> Iterator[tuple[str, bool]]:
    state = kafka.topic(topic.name)
    if state is None:
        if kafka.create(topic.name, partitions, topic.configuration()):
            yield f"topic {topic.name}: made, {_count(partitions)}, {_policy(topic.configuration())}", True
        else:  # somebody else has made it since
            yield from _topic(kafka, topic, partitions)
        return
    plan = planned(topic, state, partitions)
    if plan.partitions:
        kafka.add_partitions(topic.name, plan.partitions)
        yield f"topic {topic.name}: {_count(plan.partitions)}, before {state.partitions}", True
    if plan.configuration:
        kafka.configure(topic.name, plan.configuration)
        for name, value in plan.configuration.items():
            yield f"topic {topic.name}: {name} {value}, before {state.configuration.get(name, 'not set')}", True
    yield from ((f"topic {topic.name}: left as it is: {reason}", False) for reason in plan.left)


def planned(topic: Topic, state: TopicState, partitions: int) -> Plan:
    """Return what has to be done to a topic that is there. The same plan again, after it is done, is empty."""
    left = []
    more: int | None = None
    if state.partitions > partitions:
        left.append(f"{_count(state.partitions)}, wanted {partitions}; Kafka cannot take partitions away")
    elif state.partitions < partitions and topic.cleanup == "compact" and state.records:
        # A key would then go to another partition, and its older record would stay in the first one for ever.
        left.append(
            f"{_count(state.partitions)}, wanted {partitions}; it is compacted and holds records, and more partitions"
            " would give one key two last records"
        )
    elif state.partitions < partitions:
        more = partitions
    changes = {}
    for name, value in topic.configuration().items():
        reason = _reason_against(name, value, state.configuration.get(name))
        if reason:
            left.append(reason)
        elif _differs(name, value, state.configuration.get(name)):
            changes[name] = value
    return Plan(more, changes, tuple(left))


def _differs(name: str, wanted: str, current: str | None) -> bool:
    if name in _AT_LEAST and current:
        return int(current) < int(wanted)
    return wanted != current


def _reason_against(name: str, wanted: str, current: str | None) -> str | None:
    """Return why a value must stay as it is: because records would be lost."""
    if current is None:
        return None
    if name == "retention.ms" and wanted != current and _is_longer(int(current), int(wanted)):
        return f"it keeps records for {_time(current)}, wanted {_time(wanted)}; a shorter time would remove records"
    if name == "cleanup.policy" and wanted == "delete" and current == "compact":
        return "it is compacted, wanted delete; that would remove the last record of old keys"
    return None


def _is_longer(one: int, other: int) -> bool:
    return other != _FOR_EVER and (one == _FOR_EVER or one > other)


def _count(partitions: int) -> str:
    return f"{partitions} partition" + "s" * (partitions != 1)


def _policy(configuration: Mapping[str, str]) -> str:
    kept = configuration.get("retention.ms")
    return f"records kept for {_time(kept)}" if kept else "compacted: the last record of each key is kept"


def _time(milliseconds: str) -> str:
    value = int(milliseconds)
    return "ever" if value == _FOR_EVER else f"{value / _DAY:g} d"
