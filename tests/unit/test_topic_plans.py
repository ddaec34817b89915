"""What `facestream init` does to a topic that is there: it adds, and never takes away."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.server_setup.topic_plan import TopicPlan, planned
from shared.adapters.kafka.admin import TopicState
from shared.domain.topics import FACES_ASSIGNED, FACES_EMBEDDED, TOPICS, Topic

_DAY = 24 * 3600 * 1000


def state(
    topic: Topic, partitions: int = 12, records: int = 0, changes: Mapping[str, str] = MappingProxyType({})
) -> TopicState:
    return TopicState(partitions, records, {**topic.configuration(), "segment.bytes": "1", **changes})


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_as_the_table_wants_it_is_left_without_a_word(topic: Topic) -> None:
    assert planned(topic, state(topic), 12) == TopicPlan()


def test_more_partitions_are_made_and_none_taken_away() -> None:
    assert planned(FACES_EMBEDDED, state(FACES_EMBEDDED, 4, records=9), 12) == TopicPlan(partitions=12)
    fewer = planned(FACES_EMBEDDED, state(FACES_EMBEDDED, 24), 12)
    assert fewer.partitions is None
    assert "24 partitions, wanted 12" in fewer.left[0]


def test_a_compacted_topic_gets_more_partitions_only_while_it_is_empty() -> None:
    assert planned(FACES_ASSIGNED, state(FACES_ASSIGNED, 4), 12).partitions == 12
    full = planned(FACES_ASSIGNED, state(FACES_ASSIGNED, 4, records=1), 12)
    assert full.partitions is None
    assert "two last records" in full.left[0]


@pytest.mark.parametrize(("current", "changed"), [(_DAY // 2, True), (_DAY, False), (2 * _DAY, False), (-1, False)])
def test_retention_is_made_longer_and_never_shorter(current: int, changed: bool) -> None:  # noqa: FBT001  a parameter
    wanted = {"retention.ms": str(_DAY)}
    plan = planned(FACES_EMBEDDED, state(FACES_EMBEDDED, changes={"retention.ms": str(current)}), 12)
    assert plan.configuration == (wanted if changed else {})
    assert bool(plan.left) is (current not in (_DAY // 2, _DAY))


def test_a_topic_that_is_to_keep_for_ever_is_not_shortened_by_a_number() -> None:
    ever = Topic(name="ever", key="key", model=None, producer="test", retention=timedelta(milliseconds=-1))
    assert planned(ever, state(ever, changes={"retention.ms": "5"}), 12).configuration == {"retention.ms": "-1"}


def test_a_compacted_topic_does_not_become_one_that_forgets() -> None:
    plan = planned(FACES_EMBEDDED, state(FACES_EMBEDDED, changes={"cleanup.policy": "compact"}), 12)
    assert not plan.configuration
    assert "it is compacted" in plan.left[0]
    other_way = planned(FACES_ASSIGNED, state(FACES_ASSIGNED, changes={"cleanup.policy": "delete"}), 12)
    assert other_way.configuration == {"cleanup.policy": "compact"}


_STATES = st.builds(
    lambda topic, partitions, records, policy, retention, size: (
        topic,
        state(
            topic,
            partitions,
            records,
            {"cleanup.policy": policy, "retention.ms": str(retention), "max.message.bytes": str(size)},
        ),
    ),
    st.sampled_from(TOPICS),
    st.integers(1, 40),
    st.integers(0, 1),
    st.sampled_from(["delete", "compact", "compact,delete"]),
    st.integers(-1, 40 * _DAY),
    st.integers(1, 2**31 - 1),
)


@given(_STATES, st.integers(1, 40))
def test_no_plan_takes_anything_away_and_a_second_one_has_nothing_to_do(
    found: tuple[Topic, TopicState], wanted: int
) -> None:
    topic, before = found
    plan = planned(topic, before, wanted)
    after = TopicState(
        plan.partitions or before.partitions, before.records, {**before.configuration, **plan.configuration}
    )
    assert after.partitions >= before.partitions
    old, new = ({**each.configuration} for each in (before, after))
    assert int(new["max.message.bytes"]) >= int(old["max.message.bytes"])
    kept = int(new["retention.ms"])
    assert kept == -1 or kept >= int(old["retention.ms"]) != -1
    assert not (old["cleanup.policy"] == "compact" and new["cleanup.policy"] == "delete")
    assert planned(topic, after, wanted) == TopicPlan(left=plan.left)
