"""Settings of connections that contradict each other, have no effect, or would send a secret in plain text."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme

from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.settings import MongoSettings
from shared.connections import host_of, is_loopback, warn_of_plain_text
from shared.errors import InvalidInput
from shared.stream.tracing import TracingSettings, tracing

_HIDDEN = "n0t-t0-be-printed"
_KEYS = {"FACESTREAM_MINIO_ACCESS_KEY": "user", "FACESTREAM_MINIO_SECRET_KEY": _HIDDEN}
_LOGIN = {"FACESTREAM_KAFKA_USERNAME": "user", "FACESTREAM_KAFKA_PASSWORD": _HIDDEN}
_TOKEN = {
    **_LOGIN,
    "FACESTREAM_KAFKA_SECURITY": "SASL_SSL",
    "FACESTREAM_KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "FACESTREAM_KAFKA_OAUTH_TOKEN_URL": "https://tokens.example/token",
}
_PEM = "@ca@"  # stands for the path of a file of certificates


def _kafka(**values: str) -> dict[str, str]:
    return {f"FACESTREAM_KAFKA_{name.upper()}": value for name, value in values.items()}


def _endpoint(url: str) -> dict[str, str]:
    return {"FACESTREAM_KAFKA_OAUTH_TOKEN_URL": url}


def _mongo(uri: str, **values: str) -> dict[str, str]:
    return {
        "FACESTREAM_MONGO_URI": uri,
        **{f"FACESTREAM_MONGO_{name.upper()}": value for name, value in values.items()},
    }


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


@pytest.fixture(autouse=True)
def _nothing_said_before() -> None:
    warn_of_plain_text.cache_clear()


def _connect(environment: Mapping[str, str], patch: pytest.MonkeyPatch, authority: Path) -> None:
    """Make the client of whatever the environment speaks of; none of them connects by that."""
    for name, value in environment.items():
        patch.setenv(name, value.replace(_PEM, str(authority)))
    spoken_of = " ".join(environment)
    if "KAFKA" in spoken_of:
        KafkaSettings().client()
    if "MINIO" in spoken_of:
        MinioStore(MinioSettings())
    if "MONGO" in spoken_of:
        MongoSettings().client().close()
    if "TRACING" in spoken_of:
        with tracing("test", "one", TracingSettings()):
            pass


_REFUSED: list[tuple[dict[str, str], str]] = [
    # no TLS
    ({**_KEYS, "FACESTREAM_MINIO_CA_FILE": _PEM}, "FACESTREAM_MINIO_CA_FILE"),
    (_kafka(ca_file=_PEM), "FACESTREAM_KAFKA_CA_FILE"),
    ({**_LOGIN, **_kafka(security="SASL_PLAINTEXT", ca_file=_PEM)}, "FACESTREAM_KAFKA_CA_FILE"),
    (_mongo("mongodb://host/?tls=false", ca_file=_PEM), "FACESTREAM_MONGO_CA_FILE"),
    (_mongo("mongodb://host/?ssl=false", ca_file=_PEM), "FACESTREAM_MONGO_CA_FILE"),
    (_mongo(f"mongodb://host/?tls=false&tlsCAFile={_PEM}"), "tlsCAFile"),
    (_mongo(f"mongodb+srv://host.example/?tls=false&tlsCertificateKeyFile={_PEM}"), "tlsCertificateKeyFile"),
    (_mongo("mongodb://host/?tlsInsecure=true"), "tlsInsecure"),
    (_mongo("mongodb://host/?tlsAllowInvalidCertificates=true"), "tlsAllowInvalidCertificates"),
    (_mongo(f"mongodb://host/?tlsCAFile={_PEM}", ca_file=certifi.where()), "FACESTREAM_MONGO_CA_FILE"),
    # no login
    (_kafka(username="user"), "FACESTREAM_KAFKA_USERNAME"),
    (_kafka(password=_HIDDEN), "FACESTREAM_KAFKA_PASSWORD"),
    (_kafka(security="SSL", username="user"), "FACESTREAM_KAFKA_USERNAME"),
    (_kafka(security="SSL", password=_HIDDEN), "FACESTREAM_KAFKA_PASSWORD"),
    (_kafka(sasl_mechanism="SCRAM-SHA-256"), "FACESTREAM_KAFKA_SASL_MECHANISM"),
    (_kafka(security="SSL", sasl_mechanism="OAUTHBEARER"), "FACESTREAM_KAFKA_SASL_MECHANISM"),
    (_kafka(security="SASL_SSL", username="user"), "FACESTREAM_KAFKA_PASSWORD"),
    # no token
    (_endpoint("https://tokens.example/"), "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    ({**_LOGIN, **_kafka(security="SASL_SSL", oauth_scope="records")}, "FACESTREAM_KAFKA_OAUTH_SCOPE"),
    ({**_LOGIN, **_kafka(security="SASL_SSL", oauth_ca_file=_PEM)}, "FACESTREAM_KAFKA_OAUTH_CA_FILE"),
    (
        {**_TOKEN, **_endpoint("http://localhost:1/"), **_kafka(oauth_ca_file=_PEM)},
        "FACESTREAM_KAFKA_OAUTH_CA_FILE",
    ),
    # a secret in plain text to another machine
    (
        {**_LOGIN, **_kafka(security="SASL_PLAINTEXT", sasl_mechanism="PLAIN", bootstrap_servers="kafka:9092")},
        "FACESTREAM_KAFKA_SECURITY",
    ),
    (
        {**_LOGIN, **_kafka(security="SASL_PLAINTEXT", sasl_mechanism="PLAIN", bootstrap_servers="[::1]:1,kafka:2")},
        "FACESTREAM_KAFKA_SECURITY",
    ),
    ({**_TOKEN, **_kafka(security="SASL_PLAINTEXT", bootstrap_servers="k:1")}, "FACESTREAM_KAFKA_SECURITY"),
    ({**_TOKEN, **_endpoint("http://tokens.example/")}, "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    ({**_TOKEN, **_endpoint(f"http://u:{_HIDDEN}@tokens/")}, "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    ({**_TOKEN, **_endpoint(f"tokens.example/{_HIDDEN}")}, "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    ({**_TOKEN, **_endpoint("https:///token")}, "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    ({**_TOKEN, **_endpoint("https://[tokens/")}, "FACESTREAM_KAFKA_OAUTH_TOKEN_URL"),
    (_mongo(f"mongodb://user:{_HIDDEN}@host/?authMechanism=PLAIN"), "FACESTREAM_MONGO_URI"),
    # traces
    (
        {"FACESTREAM_TRACING_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": _PEM},
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
    ),
    (
        {"FACESTREAM_TRACING_ENDPOINT": "https://collector", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": _PEM},
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    ),
]


@pytest.mark.parametrize(
    "environment",
    [
        _kafka(ca_file="", oauth_ca_file=""),
        {**_KEYS, "FACESTREAM_MINIO_CA_FILE": "", "FACESTREAM_MINIO_ENDPOINT": "localhost:9000"},
        {**_KEYS, "FACESTREAM_MINIO_CA_FILE": "", "FACESTREAM_MINIO_SECURE": "true"},
        _mongo("mongodb://localhost/", ca_file=""),
    ],
)
def test_an_empty_variable_takes_back_the_file_of_an_authority(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, authority: Path
) -> None:
    """As where an authority is a public one, and the settings under one's own name another."""
    _connect(environment, monkeypatch, authority)


@pytest.mark.parametrize(("environment", "named"), _REFUSED)
def test_half_set_security_is_refused_in_one_line(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, authority: Path
) -> None:
    with pytest.raises(InvalidInput) as caught:
        _connect(environment, monkeypatch, authority)
    said = str(caught.value)
    assert named in said.partition(": ")[0]
    assert "expected" in said
    assert "found" in said
    assert ";" in said or "expected a value" in said, "it says what to do"
    assert "\n" not in said
    assert _HIDDEN not in said


_ACCEPTED: list[dict[str, str]] = [
    {**_KEYS, "FACESTREAM_MINIO_ENDPOINT": "minio:443", "FACESTREAM_MINIO_SECURE": "true"},
    {**_KEYS, "FACESTREAM_MINIO_SECURE": "true", "FACESTREAM_MINIO_CA_FILE": _PEM},
    {**_KEYS, "FACESTREAM_MINIO_SECURE": "true", "SSL_CERT_FILE": _PEM},
    {**_KEYS, "FACESTREAM_MINIO_ENDPOINT": "localhost:9000"},
    _kafka(bootstrap_servers="kafka:9092"),
    _kafka(bootstrap_servers="kafka:9092", username=""),
    _kafka(security="SSL", ca_file=_PEM),
    {**_LOGIN, **_kafka(security="SASL_SSL", ca_file=_PEM)},
    {**_LOGIN, **_kafka(security="SASL_PLAINTEXT", sasl_mechanism="PLAIN", bootstrap_servers="127.0.0.1:1,[::1]:2")},
    {**_TOKEN, **_endpoint("http://127.0.0.1:8080/token"), **_kafka(security="SASL_PLAINTEXT")},
    {**_TOKEN, **_kafka(oauth_ca_file=_PEM, oauth_scope="records")},
    _mongo("mongodb://host"),
    _mongo(f"mongodb://user:{_HIDDEN}@127.0.0.1:27017,[::1]:27018/?authSource=admin"),
    _mongo(f"mongodb://user:{_HIDDEN}@%2Frun%2Fmongodb.sock/"),
    _mongo(f"mongodb://user:{_HIDDEN}@host/?tls=true"),
    _mongo(f"mongodb://user:{_HIDDEN}@host/?tlsCAFile={_PEM}"),
    _mongo(f"mongodb://user:{_HIDDEN}@host/?authMechanism=PLAIN", ca_file=_PEM),
    {"FACESTREAM_TRACING_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS": f"token={_HIDDEN}"},
    {"FACESTREAM_TRACING_ENDPOINT": "https://collector", "OTEL_EXPORTER_OTLP_CERTIFICATE": _PEM},
]


@pytest.mark.parametrize("environment", _ACCEPTED)
def test_what_is_whole_or_stays_on_this_machine_is_accepted_without_a_word(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, authority: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _connect(environment, monkeypatch, authority)
    assert caplog.records == []


_WARNED: list[tuple[dict[str, str], str]] = [
    ({**_KEYS, "FACESTREAM_MINIO_ENDPOINT": "minio:9000"}, "FACESTREAM_MINIO_SECURE"),
    ({**_LOGIN, **_kafka(security="SASL_PLAINTEXT", bootstrap_servers="kafka:1")}, "FACESTREAM_KAFKA_SECURITY"),
    (_mongo(f"mongodb://user:{_HIDDEN}@mongo:27017/?authSource=admin"), "FACESTREAM_MONGO_URI"),
    (_mongo(f"mongodb://user:{_HIDDEN}@localhost,mongo/"), "FACESTREAM_MONGO_URI"),
    (_mongo(f"mongodb://user:{_HIDDEN}@host/?tls=true&tlsInsecure=true"), "FACESTREAM_MONGO_URI"),
    (
        {"FACESTREAM_TRACING_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": f"token={_HIDDEN}"},
        "FACESTREAM_TRACING_ENDPOINT",
    ),
]


@pytest.mark.parametrize(("environment", "named"), _WARNED)
def test_a_login_on_a_plain_connection_is_one_warning_in_the_log(
    environment: dict[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    authority: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _connect(environment, monkeypatch, authority)
    _connect(environment, monkeypatch, authority)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{named}: ")
    assert _HIDDEN not in record.getMessage()


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    (folder / "words.pem").write_text("no certificate")
    (folder / "empty.pem").touch()
    (folder / "der.pem").write_bytes(bytes(range(256)))
    (folder / "key.pem").write_bytes(trustme.CA().private_key_pem.bytes())
    yield folder, "a folder"
    yield folder / "none.pem", "no such file"
    for name in ("words", "empty", "der", "key"):
        yield folder / f"{name}.pem", "PEM"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({**_KEYS, "FACESTREAM_MINIO_SECURE": "true"}, "FACESTREAM_MINIO_CA_FILE"),
        ({**_KEYS, "FACESTREAM_MINIO_SECURE": "true"}, "SSL_CERT_FILE"),
        (_kafka(security="SSL"), "FACESTREAM_KAFKA_CA_FILE"),
        (_TOKEN, "FACESTREAM_KAFKA_OAUTH_CA_FILE"),
        ({}, "FACESTREAM_MONGO_CA_FILE"),
        ({"FACESTREAM_TRACING_ENDPOINT": "https://collector"}, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    ],
)
def test_a_file_without_certificates_is_named_with_its_setting(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file, found in _files(tmp_path):
        with pytest.raises(InvalidInput, match=rf"^{named}: expected .*{found}.*{file}"):
            _connect({**environment, named: str(file)}, monkeypatch, tmp_path)


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile"])
def test_a_file_that_the_uri_names_and_is_not_there_is_told_with_its_option(
    option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = f"mongodb://user:{_HIDDEN}@host/?{option}={tmp_path}/none.pem"
    with pytest.raises(InvalidInput, match=rf"FACESTREAM_MONGO_URI, its option {option}: .*no such file.*none\.pem"):
        _connect(_mongo(uri), monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("address", "host", "local"),
    [
        ("localhost:9092", "localhost", True),
        ("LOCALHOST.", "LOCALHOST.", True),
        ("SSL://127.1.2.3:9092", "127.1.2.3", True),
        ("[::1]:9000", "::1", True),
        ("::1", "::1", True),
        (" kafka.localhost:1", "kafka.localhost", True),
        ("localhost.example.com:1", "localhost.example.com", False),
        ("10.0.0.1:1", "10.0.0.1", False),
        ("127.example:1", "127.example", False),
        ("kafka", "kafka", False),
    ],
)
def test_what_is_this_machine_is_told_by_its_name(address: str, host: str, local: Any) -> None:
    assert host_of(address) == host
    assert is_loopback(host) is local
