"""Records in Kafka: one member of a consumer group and one transactional producer.

Exactly once by KIP-98 (transactions) and KIP-447 (a transaction carries the group's metadata, so that a member that
lost its partition cannot commit for it); groups by KIP-848, where the broker assigns the partitions.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from shared.adapters.kafka_errors import Listener, line
from shared.adapters.kafka_records import consumed_record, first_offsets, last_offsets
from shared.adapters.kafka_settings import KafkaSettings
from shared.adapters.kafka_watch import Watch
from shared.errors import Fatal, Transient
from shared.ports import ConsumedRecord, ProducedRecord, split_place
from shared.topics import MAX_RECORD_BYTES

__all__ = ["KafkaSettings", "KafkaStream"]

_CALL = 10.0  # seconds that one call of the client may take before it is called again
_DOUBT = 1.0  # seconds to wait for the group's offset of a partition that has just come
_GIVE_UP = 60.0  # seconds after which a transaction that cannot be ended is left to the broker


class KafkaStream:
    """A `RecordStream` over Kafka. `instance` names this process among those of its service, for good."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str, topics: Sequence[str]) -> None:
        """Prepare both clients; the first `consume` joins the group and fences off an earlier process of this name."""
        self._assigned: set[tuple[str, int]] = set()
        self._new: set[tuple[str, int]] = set()  # of these, those from which no record was returned yet
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
            self._new.clear()
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
        if self._new:
            records = self._rightly_begun(records)
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
                TopicPartition(topic, partition, offset + 1)
                for (topic, partition), offset in last_offsets(consumed).items()
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
        for (topic, partition), offset in first_offsets(consumed).items():
            if (topic, partition) in self._assigned:
                self._seek(topic, partition, offset)

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

    def _rightly_begun(self, records: list[ConsumedRecord]) -> list[ConsumedRecord]:
        """Leave out the records of partitions that did not begin at the group's offset, and go there.

        A partition that comes while a transaction sets its offset waits for the end of that. librdkafka up to 2.16
        forgets to, when partitions come or go meanwhile, and begins with the first record of all: see
        docs/decisions/015-where-a-partition-begins.md.
        """
        begun = first_offsets([record for record in records if (record.topic, record.partition) in self._new])
        if not begun:
            return records
        try:
            with self._watch.over(), self._listener.translated():
                found = self._consumer.committed([TopicPartition(*place) for place in begun], _DOUBT)
        except Transient:  # still in doubt: read again what has come, and ask again
            found = []
        stands = {(place.topic, place.partition): place.offset for place in found if not place.error}
        for place, offset in begun.items():
            # Below zero there is no offset: nothing was committed yet.
            wanted = stands.get(place)
            if wanted is None:
                self._seek(*place, offset)
            elif wanted <= offset:
                self._new.discard(place)
            else:
                told = "%s/%d began at %d; going to the group's offset %d"
                logging.getLogger("kafka").warning(told, *place, offset, wanted)
                self._seek(*place, wanted)
        return [record for record in records if (record.topic, record.partition) not in self._new]

    def _seek(self, topic: str, partition: int, offset: int) -> None:
        """Go on reading at an offset; raises `Fatal`, since what was read and is not read again would be lost."""
        try:
            self._consumer.seek(TopicPartition(topic, partition, offset))
        except KafkaException as failure:
            raise Fatal(line(failure.args[0])) from failure

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = {(place.topic, place.partition) for place in partitions}
        self._assigned |= places
        self._new |= places

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.resume(partitions)  # a pause outlives the assignment: come back, a partition would never be read
        gone = {(place.topic, place.partition) for place in partitions}
        self._assigned -= gone
        self._new -= gone
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
