"""Topics in Kafka: what they are like, and changing that."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from shared.adapters.kafka.clients import new_admin
from shared.adapters.kafka.denials import (
    CONFIGURATION,
    CONFIGURE,
    CREATE,
    EXTEND,
    LOOK_AT,
    READ,
    REMOVE_RECORDS,
    Identity,
)
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.stream import KafkaSettings
from shared.errors import Transient

_PATIENCE = 30.0  # seconds that the brokers have for one request


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `configuration` holds all its values, the broker's defaults among them."""

    partitions: int
    records: int
    configuration: Mapping[str, str]


class KafkaAdmin:
    """Looks at topics and changes them. Every call raises `Transient`, and `Fatal` where Kafka refuses."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._listener = Listener(Identity(settings.username), LOOK_AT)
        self._client = new_admin(settings, self._listener)
        self._replication = settings.replication_factor or -1

    def topic(self, name: str) -> TopicState | None:
        """Return a topic, or None where there is none. `records` counts offsets, those of transaction marks too."""
        partitions = self._partitions(name)
        if not partitions:
            return None
        return TopicState(partitions, self._records(name, partitions), self._configuration(name))

    def create(self, name: str, partitions: int, configuration: Mapping[str, str]) -> bool:
        """Make a topic; say whether it was not there. Then it is known to the broker, whoever made it."""
        wanted = NewTopic(name, partitions, self._replication, config=dict(configuration))
        with self._listener.translated(CREATE.of(name)):
            try:
                self._client.create_topics([wanted], request_timeout=_PATIENCE)[name].result(_PATIENCE)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                is_new = False
            else:
                is_new = True
        # A broker hears of what the controller has made a moment later.
        until = time.monotonic() + _PATIENCE
        while not self._partitions(name):
            if time.monotonic() > until:
                msg = f"topic {name}: made, and after {_PATIENCE:g} s not known to the brokers; try again later"
                raise Transient(msg)
            time.sleep(0.05)
        return is_new

    def add_partitions(self, name: str, total: int) -> None:
        """Give a topic more partitions, `total` altogether."""
        wanted = [NewPartitions(name, total)]
        with self._listener.translated(EXTEND.of(name)):
            self._client.create_partitions(wanted, request_timeout=_PATIENCE)[name].result(_PATIENCE)

    def configure(self, name: str, configuration: Mapping[str, str]) -> None:
        """Set values of a topic's configuration; the others stay."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in configuration.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        with self._listener.translated(CONFIGURE.of(name)):
            self._client.incremental_alter_configs([resource])[resource].result(_PATIENCE)

    def remove_records(self, name: str, before: Mapping[int, int]) -> None:
        """Remove the records of each partition that stand before an offset. There is no way back."""
        places = [TopicPartition(name, partition, offset) for partition, offset in before.items()]

        def remove(_: float) -> None:
            for done in self._client.delete_records(places, request_timeout=_PATIENCE).values():
                done.result(_PATIENCE)

        self._listener.insisting(self._client, remove, _PATIENCE, REMOVE_RECORDS.of(name))

    def unread(self, group: str, name: str) -> Mapping[int, int]:
        """Return where a group will go on reading, for each partition in which something may be left to read."""
        places = [TopicPartition(name, number) for number in range(self._partitions(name))]
        if not places:
            return {}
        read = self._committed(group, places)
        first, last = self._offsets(places)
        # A group that never read has a negative offset; what it was to read next may be removed by now.
        next_ones = [max(read.get(number, 0), start) for number, start in enumerate(first)]
        return {number: start for number, start in enumerate(next_ones) if start < last[number]}

    def _committed(self, group: str, places: Sequence[TopicPartition]) -> Mapping[int, int]:
        """Return the offset of a group in each partition, negative where there is none.

        Asked by a consumer that joins nothing: where a broker has just started and is not ready to answer for the
        group, the admin client of librdkafka 2.16 looks for a group of its own, has none, and the process dies.
        """
        listener = Listener(Identity(self._settings.username, group), READ.of(places[0].topic))
        consumer = Consumer(
            {
                **self._settings.client(),
                "error_cb": listener,
                "log_level": 0,
                "group.id": group,
                "enable.auto.commit": False,
            }
        )
        try:
            found = listener.insisting(consumer, lambda seconds: consumer.committed(list(places), seconds), _PATIENCE)
        finally:
            consumer.close()
        for place in found:
            if place.error:
                listener.check_rights(place.error)
                raise Transient(line(place.error))
        return {place.partition: place.offset for place in found}

    def extents(self, name: str) -> Mapping[int, tuple[int, int]]:
        """Return the first offset of each partition, and the one that its next record will have."""
        places = [TopicPartition(name, number) for number in range(self._partitions(name))]
        return dict(enumerate(zip(*self._offsets(places), strict=True))) if places else {}

    def _partitions(self, name: str) -> int:
        """Return how many partitions a topic has, 0 where there is no such topic.

        Kafka does not name what a user may not see, unless it is asked for it by name: then it says so. That a topic
        is hidden must not count as its absence: nobody would wait for what it holds.
        """
        known = self._listener.insisting(
            self._client, lambda seconds: self._client.list_topics(timeout=seconds), _PATIENCE
        ).topics
        return len(known[name].partitions) if name in known else self._hidden(name)

    def _hidden(self, name: str) -> int:
        """Return how many partitions a topic has that was not listed."""

        def ask(seconds: float) -> int:
            asked = self._client.describe_topics(TopicCollection([name]), request_timeout=seconds)[name]
            try:
                return len(asked.result(_PATIENCE).partitions)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
                return 0

        return self._listener.insisting(self._client, ask, _PATIENCE, LOOK_AT.of(name))

    def _configuration(self, name: str) -> Mapping[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, name)

        def ask(_: float) -> Mapping[str, str]:
            found = self._client.describe_configs([resource], request_timeout=_PATIENCE)[resource].result(_PATIENCE)
            return {entry.name: entry.value or "" for entry in found.values()}

        return self._listener.insisting(self._client, ask, _PATIENCE, CONFIGURATION.of(name))

    def _records(self, name: str, partitions: int) -> int:
        places = [TopicPartition(name, number) for number in range(partitions)]
        first, last = self._offsets(places)
        return sum(last) - sum(first)

    def _offsets(self, places: Sequence[TopicPartition]) -> tuple[list[int], list[int]]:
        """Return the first offset of each partition, and the one that its next record will have."""
        specs = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]  # of the client
        first, last = (self._listed(places, spec) for spec in specs)
        return first, last

    def _listed(self, places: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        def ask(seconds: float) -> list[int]:
            found = self._client.list_offsets(dict.fromkeys(places, spec), request_timeout=seconds)
            return [found[place].result(_PATIENCE).offset for place in places]

        return self._listener.insisting(self._client, ask, _PATIENCE, LOOK_AT.of(places[0].topic))
