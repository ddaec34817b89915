"""What Kafka refuses, in words."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.adapters.kafka.denials import CREATE, READ, WRITE, Attempt, Identity
from shared.adapters.kafka.errors import Listener
from shared.errors import Fatal, Transient

_WHO = Identity("facestream-assigner", "facestream.assigner", "facestream.assigner.one")
_FATAL = "Fatal error: Broker: Group authorization failed: ConsumerGroupHeartbeat fatal error"


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (
            KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED),
            WRITE.of("faces.assigned"),
            "write to faces.assigned (TOPIC_AUTHORIZATION_FAILED): give it Write and Describe of this topic",
        ),
        (
            KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED),
            READ.of("a", "b"),
            "read a, b (TOPIC_AUTHORIZATION_FAILED): give it Read and Describe of each topic",
        ),
        (
            KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED),
            READ.of("a"),
            "use the group facestream.assigner (GROUP_AUTHORIZATION_FAILED): give it Read and Describe of this group",
        ),
        (
            KafkaError(KafkaError._FATAL, _FATAL),  # a consumer that has ended tells it so
            READ.of("a"),
            "use the group facestream.assigner (GROUP_AUTHORIZATION_FAILED): give it Read and Describe of this group",
        ),
        (
            KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
            WRITE,
            (
                "write in transactions as facestream.assigner.one (TRANSACTIONAL_ID_AUTHORIZATION_FAILED):"
                " give it Write and Describe of this transactional id"
            ),
        ),
        (
            KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED),
            CREATE.of("faces.assigned"),
            "make faces.assigned (CLUSTER_AUTHORIZATION_FAILED): give it Create of the cluster",
        ),
    ],
)
def test_a_denial_says_who_may_not_do_what_and_which_right_is_missing(
    error: KafkaError, attempt: Attempt, expected: str
) -> None:
    with pytest.raises(Fatal) as caught, Listener(_WHO).translated(attempt):
        raise KafkaException(error)
    assert str(caught.value) == f"Kafka refuses to let user facestream-assigner {expected}"


def test_a_client_without_a_user_is_called_a_client() -> None:
    with pytest.raises(Fatal, match=r"^Kafka refuses to let this client read a \("):
        Listener().check(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), READ.of("a"))


def test_a_consumer_that_has_ended_for_another_reason_ends_the_process_too() -> None:
    with pytest.raises(Fatal, match="UNSUPPORTED_VERSION"):
        Listener().check(KafkaError(KafkaError._FATAL, "UNSUPPORTED_VERSION"))


def test_a_passing_error_is_no_denial() -> None:
    Listener(_WHO).check(KafkaError(KafkaError.NOT_COORDINATOR))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Fatal),
        (KafkaError.INVALID_RECORD, Fatal),
        (KafkaError.POLICY_VIOLATION, Fatal),
        (KafkaError.NOT_ENOUGH_REPLICAS, Transient),
    ],
)
def test_a_record_that_is_refused_for_good_is_not_tried_for_ever_and_its_topic_is_told(
    code: int, kind: type[Exception]
) -> None:
    failure = Listener(_WHO).refused(KafkaError(code), "faces.assigned")
    assert type(failure) is kind
    assert "faces.assigned" in str(failure)
