"""Kafka clients with the settings that facestream needs: for exactly once, and for administration."""

import logging
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from shared.adapters.kafka.errors import Listener
from shared.adapters.kafka.partitioners import OF_PRODUCERS
from shared.adapters.kafka.settings import KafkaSettings
from shared.domain.topics import MAX_RECORD_BYTES, group_of


def transactional_id(service: str, instance: str) -> str:
    """Return the transactional id of one process of a service."""
    return f"{group_of(service)}.{instance}"


def new_consumer(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> Consumer:
    """Return a member of the service's group that reads committed records only. It is not subscribed yet."""
    return Consumer(
        {
            **_client(settings, service, instance, listener),
            "group.id": group_of(service),
            "group.protocol": "consumer",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "max.poll.interval.ms": int(settings.max_poll_interval * 1000),
            # The prefetch queue bounds the memory of a member that lags; the client's default is twice as much.
            "queued.max.messages.kbytes": 32 * 1024,
            "fetch.message.max.bytes": 4 * 1024 * 1024,
        }
    )


def new_producer(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> Producer:
    """Return a transactional producer. When it is initialised, it fences off an earlier one of this instance."""
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
            # librdkafka up to 2.16 asks three times for the group's coordinator, and then waits for ever. A broker that
            # has just started knows the coordinator within a second.
            "retry.backoff.ms": 500,
        }
    )


def new_admin(settings: KafkaSettings, listener: Listener) -> AdminClient:
    """Return an admin client whose errors go to the listener and not to the log."""
    configuration: dict[str, Any] = {**settings.client(), "error_cb": listener, "log_level": 0}
    return AdminClient(configuration)


def _client(settings: KafkaSettings, service: str, instance: str, listener: Listener) -> dict[str, Any]:
    return {
        **settings.client(),
        "client.id": f"{service}-{instance}",
        **listener.callbacks(),
        "logger": logging.getLogger("kafka"),
    }
