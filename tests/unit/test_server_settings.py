"""Settings and errors of the adapters of servers: what must never be printed, and what an error means."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.adapters.minio.settings import MinioSettings
from shared.adapters.minio.store import MinioStore
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import InvalidInput

_HIDDEN = "n0t-t0-be-printed"


def test_the_keys_of_minio_are_not_in_what_is_printed() -> None:
    settings = MinioSettings(access_key=SecretStr(_HIDDEN), secret_key=SecretStr(_HIDDEN))
    assert _HIDDEN not in f"{settings!r} {settings} {settings.model_dump_json()} {MinioStore(settings)!r}"


def test_the_uri_of_mongodb_is_not_in_what_is_printed() -> None:
    settings = MongoSettings(uri=SecretStr(f"mongodb://user:{_HIDDEN}@localhost/"))
    with MongoRepository(settings) as repository:
        assert _HIDDEN not in f"{settings!r} {settings} {settings.model_dump_json()} {repository!r}"


@pytest.mark.parametrize(
    "uri", ["mongodb://user:{}/@host/", "mongodb://user@{}:1/", "http://{}/", "", "mongodb://{}:x"]
)
def test_a_uri_that_cannot_be_read_is_invalid_input_and_is_not_quoted(uri: str) -> None:
    with pytest.raises(InvalidInput, match="FACESTREAM_MONGO_URI") as caught:
        MongoRepository(MongoSettings(uri=SecretStr(uri.format(_HIDDEN + ":"))))
    assert _HIDDEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_ca_file_that_is_not_there_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="FACESTREAM_MONGO_CA_FILE: expected a file"):
        MongoRepository(MongoSettings(ca_file=tmp_path / "none.pem"))


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENDPOINT": "minio:9000",
        "ACCESS_KEY": "user",
        "SECRET_KEY": "password",
        "SECURE": "1",
    }.items():
        monkeypatch.setenv(f"FACESTREAM_MINIO_{name}", value)
    monkeypatch.setenv("FACESTREAM_MONGO_DATABASE", "people")
    settings = MinioSettings()
    assert (settings.endpoint, settings.secure) == ("minio:9000", True)
    assert settings.secret_key.get_secret_value() == "password"
    assert MongoSettings().database == "people"


@pytest.mark.parametrize("endpoint", ["http://minio:9000", "user@minio", "", "two words"])
def test_an_endpoint_is_a_host_and_a_port_and_nothing_else(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="FACESTREAM_MINIO_ENDPOINT"):
        MinioSettings(endpoint=endpoint, access_key=SecretStr("a"), secret_key=SecretStr("b"))
