"""Writing a few records from the outside: those of a command, in transactions of its own."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from shared.adapters.kafka import KafkaSettings
from shared.adapters.kafka_errors import Listener
from shared.errors import Transient
from shared.ports import ProducedRecord
from shared.topics import MAX_RECORD_BYTES

_PATIENCE = 30.0  # seconds that the brokers have for one step of a transaction


class KafkaWriter:
    """Writes records in transactions.

    `name` is the transactional id's end. Of two processes of one name the later one fences the earlier: an operator's
    command that is started twice does its work once. Raises `Fatal` and `Transient`.
    """

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self._listener = Listener()
        self._producer = Producer(
            {
                **settings.client(),
                "error_cb": self._listener,
                "log_level": 0,
                "transactional.id": f"facestream.{name}",
                "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.max.bytes": MAX_RECORD_BYTES,
                # The object store's own choice of a partition, so that the events of one object stay in order.
                "partitioner": "fnv1a_random",
                "compression.type": "lz4",
            }
        )
        self._listener.insisting(self._producer, self._producer.init_transactions, _PATIENCE)

    def write(self, records: Sequence[ProducedRecord], partitions: Sequence[int | None] = ()) -> None:
        """Write all records or none; `partitions`, where given, says for each its partition."""
        chosen = partitions or [None] * len(records)
        with self._listener.translated():
            self._producer.begin_transaction()
            try:
                for record, partition in zip(records, chosen, strict=True):
                    self._produce(record, partition)
                self._producer.commit_transaction(_PATIENCE)
            except BaseException:
                self._producer.abort_transaction(_PATIENCE)
                raise

    def _produce(self, record: ProducedRecord, partition: int | None) -> None:
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        try:
            self._producer.produce(record.topic, record.value, record.key, headers=headers, **where)
        except BufferError:
            msg = f"{len(self._producer)} records wait and no more fit; write fewer at once"
            raise Transient(msg) from None
