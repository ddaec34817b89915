"""The transactional producer of a stream: records and consumer offsets in one transaction.

Exactly once by KIP-98 (transactions) and KIP-447: a transaction carries the metadata of the consumer group, so a member
that lost its partition cannot commit for it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from shared.adapters.kafka.clients import new_producer
from shared.adapters.kafka.denials import Attempt, Identity
from shared.adapters.kafka.errors import Listener, line
from shared.adapters.kafka.partitioners import counting, partitions_of
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.watchdog import Watch
from shared.errors import Fatal, Transient, Undecided
from shared.ports.streams import ProducedRecord

CALL_TIMEOUT = 10.0
"""Seconds that one call of the client may take before it is called again."""


class _Fenced(Fatal):
    """This producer has ended. A new one with its transactional id would end another process that is at work."""


class TransactionalProducer:
    """A producer with the transactional id of one process.

    It is replaced by a new one when its connections are broken or a transaction ended badly; the new one ends what the
    earlier one left open.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        service: str,
        instance: str,
        *,
        identity: Identity,
        attempt: Attempt,
        watch: Watch,
    ) -> None:
        """`identity` and `attempt` are for error messages. `watch` ends the process if a call does not return."""
        self._settings, self._service, self._instance = settings, service, instance
        self._identity, self._attempt, self._watch = identity, attempt, watch
        self.replace()

    def replace(self) -> None:
        """Make a new producer, which is initialised before it is used."""
        self._listener = Listener(self._identity, self._attempt)
        with self._watch.over():
            self._producer = new_producer(self._settings, self._service, self._instance, self._listener)
        self.is_initialised = False

    def replace_if_broken(self) -> None:
        """Replace the producer if it has lost its brokers, or a connection since it was initialised."""
        if self._listener.lost or (self.is_initialised and self._listener.disconnected):
            self.replace()

    def initialise(self) -> None:
        """Fence off an earlier producer with this transactional id, and end its open transaction.

        Raises `Fatal` and `Transient`.
        """
        with self._watch.over():
            self._listener.insisting(self._producer, self._producer.init_transactions, CALL_TIMEOUT)
        self.is_initialised = True
        self.poll()  # reports of connections that broke before this are read, and then forgotten
        self._listener.disconnected = False

    def topics(self) -> set[str]:
        """Return the names of the topics that Kafka lists; raises `Fatal` and `Transient`."""
        with self._watch.over():
            found = self._listener.insisting(
                self._producer, lambda seconds: self._producer.list_topics(timeout=seconds), CALL_TIMEOUT
            ).topics
        return {name for name, topic in found.items() if not topic.error}

    def poll(self) -> None:
        """Have the client call its callbacks and write its log; raises `Fatal` and `Transient`."""
        with self._listener.translated():  # an error in the background that ends the producer is raised here too
            self._producer.poll(0)

    def commit(
        self,
        produced: Sequence[ProducedRecord],
        offsets: list[TopicPartition],
        group_metadata: Callable[[], Any],
    ) -> None:
        """Write records and offsets in one transaction; `group_metadata` returns the metadata of the consumer group.

        Raises `Transient` if neither was written, `Undecided` if that is not known, and `Fatal`.
        """
        partitions = partitions_of(produced, counting(self._producer, self._listener, self._watch, CALL_TIMEOUT))
        until = time.monotonic() + self._settings.transaction_timeout
        with self._listener.translated():
            self._producer.begin_transaction()
        self._listener.forget_deliveries()
        try:
            self._transact(zip(produced, partitions, strict=True), offsets, group_metadata, until)
        except Undecided:
            # A new producer ends the transaction, if the broker has not. Then the group's offset shows how it ended.
            self.replace()
            raise

    def _transact(
        self,
        produced: Iterable[tuple[ProducedRecord, int]],
        offsets: list[TopicPartition],
        group_metadata: Callable[[], Any],
        until: float,
    ) -> None:
        """`produced`: records with their partitions. `until`: monotonic, in seconds."""
        try:
            for record, partition in produced:
                self._produce(record, partition)
            self._flush()
            metadata = group_metadata()
            self._call(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, CALL_TIMEOUT), until)
            self._call(lambda: self._producer.commit_transaction(CALL_TIMEOUT), until)
        except (_Fenced, Undecided):
            raise
        except Fatal:
            # Notes can still be withdrawn, but not by this producer. It would have to abort a transaction that the
            # broker may not know, and that ends a producer.
            self.replace()
            raise
        except Exception:
            if self.is_initialised:  # else it is a new producer, which ends the transaction of the earlier one
                self._call(lambda: self._producer.abort_transaction(CALL_TIMEOUT), until)
            raise

    def _produce(self, record: ProducedRecord, partition: int) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, partition, headers=headers)
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: wait until some records are sent
            except KafkaException as error:
                raise self._listener.refused(error.args[0], record.topic) from error
            else:
                return

    def _flush(self) -> None:
        """Have a transaction's records written before its offsets.

        While a broker still writes the markers of the last transaction, it delays offsets far longer than records. And
        a producer that lost a broker may keep the coordinator that it knew, and never return from sending offsets to
        it. Before that happens, this replaces the producer and raises `Transient`: without offsets, nothing can have
        been committed (docs/decisions/017-a-producer-that-lost-a-broker.md).
        """
        with self._watch.over():
            left = self._producer.flush(CALL_TIMEOUT)
            self.poll()  # `flush` reads no reports if there is nothing to flush
        if left or self._listener.disconnected:
            self.replace()
            msg = "Kafka: the connection to a broker broke in a transaction; a new producer ends it"
            raise Transient(msg)
        self._listener.check_deliveries(self._producer)

    def _call(self, call: Callable[[], object], until: float) -> None:
        """Repeat a call until it succeeds.

        Raises `Transient` if the transaction must be aborted, `Undecided` if it did not end before `until`, and `Fatal`
        if another process with this transactional id is at work.
        """
        while True:
            try:
                with self._watch.over():
                    call()
            except KafkaException as failure:
                error = failure.args[0]
                self._listener.check_rights(error)
                if error.txn_requires_abort():
                    raise Transient(line(error)) from failure
                # A fenced producer cannot go on: another one with its id has come, or the broker has aborted a
                # transaction that took too long.
                is_late = time.monotonic() > until
                if error.fatal() and not is_late:
                    raise _Fenced(line(error)) from failure
                if is_late or not error.retriable():
                    msg = f"{line(error)}; the broker will be asked whether the transaction was committed"
                    raise Undecided(msg) from failure
                time.sleep(0.1)
            else:
                return
