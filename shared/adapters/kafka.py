"""Records in Kafka: one member of a consumer group and one transactional producer.

Exactly once by KIP-98 (transactions) and KIP-447 (a transaction carries the group's metadata, so that a member that
lost its partition cannot commit for it); groups by KIP-848, where the broker assigns the partitions.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from shared.adapters.kafka_errors import Listener, line
from shared.adapters.kafka_settings import KafkaSettings
from shared.adapters.kafka_watch import Watch
from shared.errors import Fatal, Transient
from shared.ports import ConsumedRecord, ProducedRecord, split_place
from shared.topics import MAX_RECORD_BYTES

__all__ = ["KafkaSettings", "KafkaStream", "consumed_record"]

_CALL = 10.0  # seconds that one call of the client may take before it is called again
_GIVE_UP = 60.0  # seconds after which a transaction that cannot be ended is left to the broker


class KafkaStream:
    """A `RecordStream` over Kafka. `instance` names this process among those of its service, for good."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str, topics: Sequence[str]) -> None:
        """Prepare both clients; the first `consume` joins the group and fences off an earlier process of this name."""
        self._assigned: set[tuple[str, int]] = set()
        self._taken_away: set[tuple[str, int]] = set()  # in the last `consume`
        self._watch = Watch()
        self._settings, self._service, self._instance, self._topics = settings, service, instance, tuple(topics)
        self._connect()

    def _connect(self) -> None:
        """Make both clients, or make them anew; none of an earlier pair is asked for anything any more."""
        settings, service, instance = self._settings, self._service, self._instance
        self._listener = Listener()
        self._ready = False
        client = {
            **settings.client(),
            "client.id": f"{service}-{instance}",
            **self._listener.callbacks(),
            "logger": logging.getLogger("kafka"),
        }
        self._consumer = Consumer(
            {
                **client,
                "group.id": f"facestream.{service}",
                "group.protocol": "consumer",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "max.poll.interval.ms": int(settings.max_poll_interval * 1000),
                # What is fetched ahead bounds the memory of a member that lags; the client's default is the double.
                "queued.max.messages.kbytes": 32 * 1024,
                "fetch.message.max.bytes": 4 * 1024 * 1024,
            }
        )
        self._producer = Producer(
            {
                **client,
                "transactional.id": f"facestream.{service}.{instance}",
                "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.max.bytes": MAX_RECORD_BYTES,
                "compression.type": "lz4",
                "linger.ms": 5,
                # A broker that still writes the marks of the last transaction has the next one asked for again. By the
                # client's default that is 100 ms later, and one record's commit takes 106 ms instead of 11. It doubles.
                "retry.backoff.ms": 5,
            }
        )
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return the first committed record to come and up to `limit` - 1 that have arrived by then."""
        self._taken_away.clear()
        if self._listener.lost:
            self._taken_away |= self._assigned
            self._assigned.clear()
            logging.getLogger("kafka").warning("without a broker for some time; a new client looks for one")
            self._connect()
        self._fence()
        with self._listener.translated():
            self._producer.poll(0)  # for what it has to log
            messages = self._consumer.consume(1, wait)
            if messages and limit > 1:
                messages += self._consumer.consume(limit - 1, 0)
        records, failures = [], []
        for message in messages:
            error = message.error()
            if error is not None:
                failures.append(error)
            elif (message.topic(), message.partition()) in self._assigned:
                records.append(consumed_record(message))
        for error in failures:
            # What came beside an error is taken; an error that stays comes again.
            if error.fatal() or not records:
                raise (Fatal if error.fatal() else Transient)(line(error))
        return records

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets after `consumed` in one transaction."""
        with self._listener.translated():
            self._producer.begin_transaction()
        try:
            for record in produced:
                self._produce(record)
            offsets = [
                TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in _last(consumed).items()
            ]
            metadata = self._consumer.consumer_group_metadata()
            self._call(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, _CALL), Transient)
            # Given up, its outcome is unknown here; the next process of this name asks the broker.
            self._call(lambda: self._producer.commit_transaction(_CALL), Fatal)
        except Fatal:
            raise
        except Exception:
            self._call(lambda: self._producer.abort_transaction(_CALL), Fatal)
            raise

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Seek back to the first of these records in each partition that is still ours."""
        for (topic, partition), offset in _first(consumed).items():
            if (topic, partition) in self._assigned:
                with self._listener.translated():
                    self._consumer.seek(TopicPartition(topic, partition, offset))

    def held(self, consumed: Sequence[ConsumedRecord]) -> Sequence[ConsumedRecord]:
        """Return those of these records whose partitions were not taken away in the last `consume`."""
        return [record for record in consumed if (record.topic, record.partition) not in self._taken_away]

    def idle(self, seconds: float) -> None:
        """Poll with every partition paused."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with self._listener.translated():
                self._consumer.pause(self._places())  # in every round, since partitions may come while we wait
                message = self._consumer.poll(min(left, 0.2))
            if message is not None and message.error() is None:
                self.rewind([consumed_record(message)])
        with self._listener.translated():
            self._consumer.resume(self._places())

    def is_assigned(self) -> bool:
        """Say whether the broker has given this member partitions."""
        return bool(self._assigned)

    def is_committed(self, place: str) -> bool:
        """Ask the broker for the group's offset."""
        topic, partition, offset = split_place(place)
        with self._watch.over(), self._listener.translated():
            (found,) = self._consumer.committed([TopicPartition(topic, partition)], _CALL)
        if found.error:
            raise Transient(line(found.error))
        return bool(found.offset > offset)

    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return what is left in each partition as of the last fetch; the mark of a transaction counts as a record."""
        found = {}
        with self._listener.translated():
            for place in self._consumer.position(self._places()):
                _, high = self._consumer.get_watermark_offsets(place, cached=True) or (-1, -1)
                if place.offset >= 0 and high >= 0:
                    found[place.topic, place.partition] = max(0, high - place.offset)
        return found

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        with self._watch.over():
            self._consumer.close()
        self._watch.close()

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic, partition in sorted(self._assigned)]

    def _fence(self) -> None:
        """Before reading, end what an earlier process of this name has left open: offsets may be part of it."""
        if not self._ready:
            # Asked of the producer: what `insisting` polls for must not be a record.
            with self._watch.over():
                topics = self._listener.insisting(
                    self._producer, lambda seconds: self._producer.list_topics(timeout=seconds), _CALL
                ).topics
            missing = [name for name in self._topics if name not in topics or topics[name].error]
            if missing:  # of which a member would hear nothing
                msg = f"Kafka has no topic {', '.join(missing)}; create the topics with `facestream init`"
                raise Transient(msg)
            with self._watch.over():
                self._listener.insisting(self._producer, self._producer.init_transactions, _CALL)
            self._ready = True

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned |= {(place.topic, place.partition) for place in partitions}

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.resume(partitions)  # a pause outlives the assignment: come back, a partition would never be read
        gone = {(place.topic, place.partition) for place in partitions}
        self._assigned -= gone
        self._taken_away |= gone

    def _produce(self, record: ProducedRecord) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        while True:
            try:
                self._producer.produce(record.topic, value=record.value, key=record.key, headers=headers)
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: let some go
            except KafkaException as error:
                too_large = error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
                raise (Fatal if too_large else Transient)(line(error.args[0])) from error
            else:
                return

    def _call(self, call: Callable[[], object], given_up: type[Fatal | Transient]) -> None:
        """Call until it is through; raises `Transient` where the transaction has to be aborted."""
        until = time.monotonic() + _GIVE_UP
        while True:
            try:
                with self._watch.over():
                    call()
            except KafkaException as failure:
                error = failure.args[0]
                # Fenced: another process of this name is at work, or the broker ended a transaction of ours that
                # took too long. A producer cannot recover from that; a new process can.
                if error.fatal():
                    raise Fatal(line(error)) from failure
                if error.txn_requires_abort():
                    raise Transient(line(error)) from failure
                if not error.retriable() or time.monotonic() > until:
                    raise given_up(line(error)) from failure
                time.sleep(0.1)
            else:
                return


def consumed_record(message: Message) -> ConsumedRecord:
    """Return what the client read as a record."""
    _, milliseconds = message.timestamp()
    pairs: Any = message.headers() or ()  # typed too widely: consumed headers always are pairs of str and bytes
    return ConsumedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers={name: value or b"" for name, value in pairs},
        timestamp=datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC),
    )


def _last(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    return {(record.topic, record.partition): record.offset for record in sorted(records, key=_offset)}


def _first(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    return {(record.topic, record.partition): record.offset for record in sorted(records, key=_offset, reverse=True)}


def _offset(record: ConsumedRecord) -> int:
    return record.offset
