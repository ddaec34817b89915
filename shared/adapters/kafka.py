"""Records in Kafka: one member of a consumer group and one transactional producer.

Exactly once by KIP-98 (transactions) and KIP-447 (a transaction carries the group's metadata, so that a member that
lost its partition cannot commit for it); groups by KIP-848, where the broker assigns the partitions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.errors import Fatal, Poison, Transient
from shared.ports import ConsumedRecord, ProducedRecord
from shared.settings import Settings


class KafkaSettings(Settings):
    """How to reach Kafka. The password is never printed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_KAFKA_")

    bootstrap_servers: Annotated[str, Field(min_length=1, description="host:port, several separated by commas")] = (
        "localhost:9092"
    )
    security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], Field(description="security protocol")
    ] = "PLAINTEXT"
    ca_file: Annotated[Path | None, Field(description="PEM of the authority that signed the brokers' certificates")] = (
        None
    )
    sasl_mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"], Field(description="how to log in")
    ] = "SCRAM-SHA-512"
    username: Annotated[str | None, Field(description="SASL user, or OAuth client id")] = None
    password: Annotated[SecretStr | None, Field(description="SASL password, or OAuth client secret")] = None
    oauth_token_url: Annotated[str | None, Field(description="token endpoint of OAUTHBEARER")] = None
    transaction_timeout: Annotated[
        float, Field(gt=0, description="seconds; an open transaction of a killed process holds readers up for so long")
    ] = 15.0

    def client(self) -> dict[str, Any]:
        """Return the part of the configuration that every client shares, by librdkafka's names."""
        configuration: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security,
        }
        if self.ca_file:
            configuration["ssl.ca.location"] = str(self.ca_file)
        if self.security.startswith("SASL"):
            configuration["sasl.mechanism"] = self.sasl_mechanism
            secret = self.password.get_secret_value() if self.password else ""
            if self.sasl_mechanism == "OAUTHBEARER":
                configuration |= {
                    "sasl.oauthbearer.method": "oidc",
                    "sasl.oauthbearer.token.endpoint.url": self.oauth_token_url or "",
                    "sasl.oauthbearer.client.id": self.username or "",
                    "sasl.oauthbearer.client.secret": secret,
                }
            else:
                configuration |= {"sasl.username": self.username or "", "sasl.password": secret}
        return configuration


_CALL = 10.0  # seconds that one call of the client may take before it is called again
_GIVE_UP = 60.0  # seconds after which a transaction that cannot be ended is left to the broker


class KafkaStream:
    """A `RecordStream` over Kafka. `instance` names this process among those of its service, for good."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str, topics: Sequence[str]) -> None:
        """Join the group `facestream.<service>` and fence off an earlier process of the same name."""
        self._assigned: set[tuple[str, int]] = set()
        client = settings.client()
        self._consumer = Consumer(
            {
                **client,
                "group.id": f"facestream.{service}",
                "group.protocol": "consumer",
                "client.id": f"{service}-{instance}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                # A lagging consumer must not fill its memory: librdkafka would prefetch 64 MiB for each partition.
                "queued.max.messages.kbytes": 32 * 1024,
                "fetch.message.max.bytes": 4 * 1024 * 1024,
            }
        )
        self._producer = Producer(
            {
                **client,
                "client.id": f"{service}-{instance}",
                "transactional.id": f"facestream.{service}.{instance}",
                "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.timeout.ms": int(settings.transaction_timeout * 1000),
                "message.max.bytes": 8 * 1024 * 1024,
                "compression.type": "lz4",
                "linger.ms": 5,
            }
        )
        self._ready = False
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def consume(self, limit: int, wait: float) -> Sequence[ConsumedRecord]:
        """Return up to `limit` committed records."""
        with _Translated():
            messages = self._consumer.consume(limit, wait)
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(_consumed(message))
            elif error.fatal():
                raise Fatal(_line(error))
            elif not records:
                raise Transient(_line(error))
        return records

    def commit(self, consumed: Sequence[ConsumedRecord], produced: Sequence[ProducedRecord]) -> None:
        """Write `produced` and the offsets after `consumed` in one transaction."""
        if not self._ready:
            self._call(lambda: self._producer.init_transactions(_CALL))
            self._ready = True
        with _Translated():
            self._producer.begin_transaction()
        try:
            for record in produced:
                self._produce(record)
            offsets = [
                TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in _last(consumed).items()
            ]
            metadata = self._consumer.consumer_group_metadata()
            self._call(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, _CALL))
            self._call(lambda: self._producer.commit_transaction(_CALL))
        except Fatal:
            raise
        except Exception:
            self._call(lambda: self._producer.abort_transaction(_CALL))
            raise

    def rewind(self, consumed: Sequence[ConsumedRecord]) -> None:
        """Seek back to the first of these records in each partition that is still ours."""
        for (topic, partition), offset in _first(consumed).items():
            if (topic, partition) in self._assigned:
                with _Translated():
                    self._consumer.seek(TopicPartition(topic, partition, offset))

    def idle(self, seconds: float) -> None:
        """Poll with every partition paused."""
        until = time.monotonic() + seconds
        paused: list[TopicPartition] = []
        while (left := until - time.monotonic()) > 0:
            # In every round, since partitions may come while we wait.
            paused = [TopicPartition(topic, partition) for topic, partition in self._assigned]
            with _Translated():
                self._consumer.pause(paused)
                message = self._consumer.poll(min(left, 0.2))
            if message is not None and message.error() is None:
                self.rewind([_consumed(message)])
        ours = [place for place in paused if (place.topic, place.partition) in self._assigned]
        with _Translated():
            self._consumer.resume(ours)

    def is_assigned(self) -> bool:
        """Say whether the broker has given this member partitions."""
        return bool(self._assigned)

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close()

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned |= {(place.topic, place.partition) for place in partitions}

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assigned -= {(place.topic, place.partition) for place in partitions}

    def _produce(self, record: ProducedRecord) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers.items())
        while True:
            try:
                self._producer.produce(record.topic, value=record.value, key=record.key, headers=headers)
            except BufferError:
                self._producer.poll(0.1)  # the queue is full: let some go
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    msg = f"a record of {len(record.value or b''):,} bytes is too large for {record.topic}"
                    raise Poison(msg) from error
                raise Transient(_line(error.args[0])) from error
            else:
                return

    def _call(self, call: Callable[[], object]) -> None:
        """Call until it is through; raises `Transient` where the transaction has to be aborted."""
        until = time.monotonic() + _GIVE_UP
        while True:
            try:
                call()
            except KafkaException as failure:
                error = failure.args[0]
                if error.retriable() and time.monotonic() < until:
                    continue
                # Fenced: another process of this name is at work, or the broker ended a transaction of ours that
                # took too long. A producer cannot recover from that; a new process can.
                raise (Fatal if error.fatal() else Transient)(_line(error)) from failure
            else:
                return


class _Translated:
    """Turns errors of the client into ours; a context manager."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KafkaException):
            inner = error.args[0]
            raise (Fatal if inner.fatal() else Transient)(_line(inner)) from error


def _line(error: KafkaError) -> str:
    return f"Kafka: {error.name()}: {error.str()}"


def _consumed(message: Message) -> ConsumedRecord:
    _, milliseconds = message.timestamp()
    return ConsumedRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=dict(_headers(message)),
        timestamp=datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC),
    )


def _headers(message: Message) -> Iterator[tuple[str, bytes]]:
    pairs: Any = message.headers() or []  # typed too widely: consumed headers always are pairs of str and bytes
    for name, value in pairs:
        yield name, value or b""


def _last(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    return {
        place: max(record.offset for record in records if (record.topic, record.partition) == place)
        for place in {(record.topic, record.partition) for record in records}
    }


def _first(records: Sequence[ConsumedRecord]) -> dict[tuple[str, int], int]:
    return {
        place: min(record.offset for record in records if (record.topic, record.partition) == place)
        for place in {(record.topic, record.partition) for record in records}
    }
