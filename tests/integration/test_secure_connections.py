"""TLS and logins against real servers, with certificates made here: what works, and how a refusal is told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.errors import Fatal, Transient
from shared.ports.streams import ProducedRecord
from tests.support.fixtures import needed
from tests.support.limits import LIMIT
from tools.stack import KafkaServer, MinioServer, issue
from tools.stack.minio import settings_of

Use = Callable[[KafkaSettings], None]

_WRONG = "wr0ng-and-n0t-t0-be-printed"


@pytest.fixture(scope="module")
def secure_kafka(servers: Path) -> Iterator[KafkaSettings]:
    certificates = issue(servers / "secure-kafka" / "certificates")
    with needed():
        server = KafkaServer(servers / "secure-kafka", certificates=certificates).start()
    yield KafkaSettings(
        bootstrap_servers=server.bootstrap_servers,
        security="SASL_SSL",
        ca_file=certificates.ca_file,
        sasl_mechanism="SCRAM-SHA-512",
        username=server.user,
        password=SecretStr(server.password),
    )
    server.stop()


@pytest.fixture(scope="module")
def secure_minio(servers: Path) -> Iterator[MinioSettings]:
    certificates = issue(servers / "secure-minio" / "certificates")
    with needed():
        server = MinioServer(servers / "secure-minio", certificates=certificates).start()
    yield settings_of(server)
    server.stop()


def test_records_go_through_kafka_over_tls_with_a_password(secure_kafka: KafkaSettings) -> None:
    KafkaAdmin(secure_kafka).create("secure", 1, {})
    KafkaWriter(secure_kafka, "test").write([ProducedRecord("secure", b"key", b"value", {"name": b"header"})])
    with KafkaReader(secure_kafka, "secure") as reader:
        (record,) = reader.stored()
    assert (record.key, record.value, record.headers) == (b"key", b"value", {"name": b"header"})


def test_a_service_consumes_and_commits_over_tls_with_a_password(secure_kafka: KafkaSettings) -> None:
    for name in ("secure-in", "secure-out"):
        KafkaAdmin(secure_kafka).create(name, 1, {})
    KafkaWriter(secure_kafka, "test").write([ProducedRecord("secure-in", b"key", b"value", {})])
    stream = KafkaStream(secure_kafka, "secure", "one", ["secure-in"])
    consumed = next(records for _ in range(60) if (records := stream.consume(1, 1.0)))
    stream.commit(consumed, [ProducedRecord("secure-out", b"key", b"passed on", {})])
    stream.close()
    with KafkaReader(secure_kafka, "secure-out") as reader:
        assert [record.value for record in reader.stored()] == [b"passed on"]


def _wrong_password(settings: KafkaSettings) -> KafkaSettings:
    return settings.model_copy(update={"password": SecretStr(_WRONG)})


def _wrong_authority(settings: KafkaSettings, folder: Path) -> KafkaSettings:
    return settings.model_copy(update={"ca_file": issue(folder).ca_file})


def _topic(settings: KafkaSettings) -> None:
    KafkaAdmin(settings).topic("secure")


def _read(settings: KafkaSettings) -> None:
    with KafkaReader(settings, "secure") as reader:
        list(reader.stored())


def _write(settings: KafkaSettings) -> None:
    KafkaWriter(settings, "test")


def _consume(settings: KafkaSettings) -> None:
    stream = KafkaStream(settings, "secure", "refused", ["secure"])
    try:
        for _ in range(60):
            stream.consume(1, 1.0)
    finally:
        stream.close()


_USES = pytest.mark.parametrize("use", [_topic, _read, _write, _consume])


@_USES
def test_kafka_refuses_a_wrong_password_and_it_is_not_quoted(use: Use, secure_kafka: KafkaSettings) -> None:
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*SCRAM-SHA-512") as caught:
        use(_wrong_password(secure_kafka))
    assert _WRONG not in str(caught.value)


@_USES
def test_a_broker_with_a_certificate_of_a_foreign_authority_is_not_spoken_to(
    use: Use, secure_kafka: KafkaSettings, tmp_path: Path
) -> None:
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*certificate"):
        use(_wrong_authority(secure_kafka, tmp_path))


def test_objects_go_through_minio_over_tls(secure_minio: MinioSettings) -> None:
    store = MinioStore(secure_minio)
    assert store.make_bucket("secure")
    store.put("secure", "key", b"data", "image/jpeg")
    assert store.get("secure", "key", LIMIT).data == b"data"


def test_minio_refuses_a_wrong_secret_key_and_it_is_not_quoted(secure_minio: MinioSettings) -> None:
    store = MinioStore(secure_minio.model_copy(update={"secret_key": SecretStr(_WRONG)}))
    with pytest.raises(Fatal, match="FACESTREAM_MINIO_SECRET_KEY") as caught:
        store.get("secure", "key", LIMIT)
    assert _WRONG not in str(caught.value)


def test_a_minio_with_a_certificate_of_a_foreign_authority_is_not_spoken_to(
    secure_minio: MinioSettings, tmp_path: Path
) -> None:
    store = MinioStore(secure_minio.model_copy(update={"ca_file": issue(tmp_path).ca_file}))
    with pytest.raises(Fatal, match="FACESTREAM_MINIO_CA_FILE"):
        store.get("secure", "key", LIMIT)


def test_a_minio_that_speaks_tls_is_not_reached_without(secure_minio: MinioSettings) -> None:
    with pytest.raises((Fatal, Transient)):
        MinioStore(secure_minio.model_copy(update={"secure": False, "ca_file": None})).get("secure", "key", LIMIT)
