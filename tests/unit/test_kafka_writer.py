"""What a writer makes of what Kafka says of a topic."""

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError

from shared.adapters.kafka import writer as kafka_writer
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.errors import Transient


def writer(monkeypatch: pytest.MonkeyPatch, said: int | None) -> KafkaWriter:
    """A writer whose client hears this of every topic."""

    class Producer:
        def __init__(self, _settings: object) -> None:
            pass

        def init_transactions(self, _seconds: float) -> None:
            pass

        def list_topics(self, topic: str, _seconds: float) -> object:
            error = None if said is None else KafkaError(said)
            return SimpleNamespace(topics={topic: SimpleNamespace(error=error)})

    monkeypatch.setattr(kafka_writer, "Producer", Producer)
    return KafkaWriter(KafkaSettings(), "test")


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, True), (KafkaError.UNKNOWN_TOPIC_OR_PART, False), (KafkaError.TOPIC_AUTHORIZATION_FAILED, False)],
)
def test_a_topic_that_is_missing_or_that_this_user_may_not_see_is_not_known(
    monkeypatch: pytest.MonkeyPatch, said: int | None, *, expected: bool
) -> None:
    assert writer(monkeypatch, said).knows("generations.published") is expected


@pytest.mark.parametrize("said", [KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN])
def test_a_topic_of_which_kafka_cannot_tell_at_the_moment_is_asked_for_again_and_not_taken_for_missing(
    monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    with pytest.raises(Transient, match="Kafka: "):
        writer(monkeypatch, said).knows("generations.published")
