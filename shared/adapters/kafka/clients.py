"""The two clients of Kafka that a service has, as it needs them for exactly once."""

import logging
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.partitioners import OF_PRODUCERS
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.topics import MAX_RECORD_BYTES


def group(service: str) -> str:
    """Return the name of a service's group."""
    return f"facestream.{service}"


def transactional_id(service: str, instance: str) -> str:
    """Return by which name a process of a service writes."""
    return f"facestream.{service}.{instance}"


def new_consumer(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> Consumer:
    """Return a member of the service's group that reads what is committed, and is not subscribed yet."""
    return Consumer(
        {
            **_client(settings, service, instance, listener),
            "group.id": group(service),
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


def new_producer(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> Producer:
    """Return a transactional producer that fences off an earlier one of this instance, once it is initialised."""
    return Producer(
        {
            **_client(settings, service, instance, listener),
            **listener.reports(),
            "transactional.id": transactional_id(service, instance),
            "partitioner": OF_PRODUCERS,
            "transaction.timeout.ms": int(settings.transaction_timeout * 1000),
            "message.timeout.ms": int(settings.transaction_timeout * 1000),
            "message.max.bytes": MAX_RECORD_BYTES,
            "compression.type": "lz4",
            "linger.ms": 5,
            # Who looks for the group's coordinator asks three times, and librdkafka up to 2.16 then waits for ever. A
            # broker that has just started knows of one within a second.
            "retry.backoff.ms": 500,
        }
    )


def new_admin(settings: KafkaSettings, listener: Listener) -> AdminClient:
    """Return a client that administers, whose errors are told to the listener and to no log."""
    configuration: dict[str, Any] = {**settings.client(), "error_cb": listener, "log_level": 0}
    return AdminClient(configuration)


def _client(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> dict[str, Any]:
    return {
        **settings.client(),
        "client.id": f"{service}-{instance}",
        **listener.callbacks(),
        "logger": logging.getLogger("kafka"),
    }
