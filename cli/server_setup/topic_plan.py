"""What to change in an existing topic, and what to leave. Nothing is removed: no partition, retention or record."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.adapters.kafka.admin import TopicState
from shared.domain.topics import Topic

_DAY = 24 * 60 * 60 * 1000  # milliseconds
_FOR_EVER = -1
_AT_LEAST = {"delete.retention.ms", "max.message.bytes"}  # a larger value was set on purpose, and does no harm


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Changes of an existing topic.

    `partitions`: new total number, None for no change. `configuration`: values to set. `left`: what differs and is not
    changed, with the reasons.
    """

    partitions: int | None = None
    configuration: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def planned(topic: Topic, state: TopicState, partitions: int) -> TopicPlan:
    """Return the changes of a topic. After they were made, the plan is empty."""
    left = []
    more: int | None = None
    if state.partitions > partitions:
        left.append(f"{partitions_text(state.partitions)}, wanted {partitions}; Kafka cannot remove partitions")
    elif state.partitions < partitions and topic.cleanup == "compact" and state.records:
        # A key could then move to another partition, and its older record would stay in the first one for ever.
        left.append(
            f"{partitions_text(state.partitions)}, wanted {partitions}; it is compacted and holds records, and more"
            " partitions would give one key two last records"
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
    return TopicPlan(partitions=more, configuration=changes, left=tuple(left))


def partitions_text(partitions: int) -> str:
    """Return for example `1 partition` or `12 partitions`."""
    return f"{partitions} partition" + "s" * (partitions != 1)


def retention_text(configuration: Mapping[str, str]) -> str:
    """Return how long the records of a topic of this configuration are kept."""
    kept = configuration.get("retention.ms")
    return f"records kept for {_time(kept)}" if kept else "compacted: the last record of each key is kept"


def _differs(name: str, wanted: str, current: str | None) -> bool:
    if name in _AT_LEAST and current:
        return int(current) < int(wanted)
    return wanted != current


def _reason_against(name: str, wanted: str, current: str | None) -> str | None:
    """Return the reason if a value must not be changed, because records would be lost."""
    if current is None:
        return None
    if name == "retention.ms" and wanted != current and _is_longer(int(current), int(wanted)):
        return f"it keeps records for {_time(current)}, wanted {_time(wanted)}; a shorter time would remove records"
    if name == "cleanup.policy" and wanted == "delete" and current == "compact":
        return "it is compacted, wanted delete; that would remove the last record of old keys"
    return None


def _is_longer(one: int, other: int) -> bool:
    return other != _FOR_EVER and (one == _FOR_EVER or one > other)


def _time(milliseconds: str) -> str:
    value = int(milliseconds)
    return "ever" if value == _FOR_EVER else f"{value / _DAY:g} d"
