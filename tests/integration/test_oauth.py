"""Kafka with tokens (OAUTHBEARER): a broker that checks them, and an endpoint that gives them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.adapters.kafka.admin import KafkaAdmin
from shared.adapters.kafka.reader import KafkaReader
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.stream import KafkaStream
from shared.adapters.kafka.writer import KafkaWriter
from shared.errors import Fatal, Transient
from shared.ports.streams import ProducedRecord
from tests.support.fixtures import needed
from tools.stack import issue
from tools.stack.oauth import OAuthKafkaServer, TokenEndpoint, granting
from tools.stack.ports import free_port

pytestmark = pytest.mark.slow

Use = Callable[[KafkaSettings], None]

_WRONG = "wr0ng-and-n0t-t0-be-printed"


@pytest.fixture(scope="module")
def tokens(servers: Path) -> Iterator[TokenEndpoint]:
    with granting(issue(servers / "oauth" / "certificates")) as tokens:
        yield tokens


@pytest.fixture(scope="module")
def kafka(servers: Path, tokens: TokenEndpoint) -> Iterator[KafkaSettings]:
    with needed():
        server = OAuthKafkaServer(servers / "oauth", certificates=tokens.certificates, keys=tokens.keys()).start()
    for name in ("in", "out"):
        server.create_topic(name)
    yield KafkaSettings(
        bootstrap_servers=server.bootstrap_servers,
        security="SASL_SSL",
        ca_file=tokens.certificates.ca_file,
        sasl_mechanism="OAUTHBEARER",
        username=tokens.client,
        password=SecretStr(tokens.secret),
        oauth_token_url=tokens.url,
        oauth_scope="records",
        oauth_ca_file=tokens.certificates.ca_file,
    )
    server.stop()


def _topic(settings: KafkaSettings) -> None:
    KafkaAdmin(settings).topic("in")


def _write(settings: KafkaSettings) -> None:
    KafkaWriter(settings, "test")


def _consume(settings: KafkaSettings) -> None:
    stream = KafkaStream(settings, "oauth", "refused", ["in"])
    try:
        for _ in range(60):
            stream.consume(1, 1.0)
    finally:
        stream.close()


_USES = pytest.mark.parametrize("use", [_topic, _write, _consume])


def test_a_service_consumes_and_commits_with_a_token(kafka: KafkaSettings, tokens: TokenEndpoint) -> None:
    KafkaWriter(kafka, "test").write([ProducedRecord("in", b"key", b"value", {})])
    stream = KafkaStream(kafka, "oauth", "one", ["in"])
    consumed = next(records for _ in range(60) if (records := stream.consume(1, 1.0)))
    stream.commit(consumed, [ProducedRecord("out", b"key", b"passed on", {})])
    stream.close()
    with KafkaReader(kafka, "out") as reader:
        assert [record.value for record in reader.stored()] == [b"passed on"]
    assert tokens.granted


@_USES
def test_a_wrong_client_secret_is_told_and_not_quoted(use: Use, kafka: KafkaSettings) -> None:
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*token.*invalid_client") as caught:
        use(kafka.model_copy(update={"password": SecretStr(_WRONG)}))
    assert _WRONG not in str(caught.value)


def test_a_scope_that_is_not_given_is_told(kafka: KafkaSettings) -> None:
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*invalid_scope"):
        _topic(kafka.model_copy(update={"oauth_scope": "all"}))


def test_a_token_for_somebody_else_is_refused_by_the_broker(
    kafka: KafkaSettings, tokens: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tokens.claims, "aud", "another")
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*invalid_token"):
        _topic(kafka)


def test_an_endpoint_with_a_certificate_of_a_foreign_authority_gets_no_secret(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    with pytest.raises(Fatal, match=r"Kafka refuses the connection.*token.*certificate"):
        _topic(kafka.model_copy(update={"oauth_ca_file": issue(tmp_path).ca_file}))


def test_an_endpoint_that_is_away_may_come_back(kafka: KafkaSettings) -> None:
    away = kafka.model_copy(update={"oauth_token_url": f"https://127.0.0.1:{free_port()}/token"})
    stream = KafkaStream(away, "oauth", "waiting", ["in"])
    try:
        with pytest.raises(Transient, match=r"Failed to acquire SASL OAUTHBEARER token.*connect"):
            stream.consume(1, 1.0)
    finally:
        stream.close()
