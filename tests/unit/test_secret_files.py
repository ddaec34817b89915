"""Secrets from files: as compose and Kubernetes mount them."""

from pathlib import Path

import pytest

from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.minio.settings import MinioSettings
from shared.adapters.mongo.settings import MongoSettings
from shared.errors import InvalidInput
from shared.settings import check_environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACESTREAM_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_secrets_are_read_from_files_that_are_named_as_the_variables(folder: Path) -> None:
    (folder / "FACESTREAM_KAFKA_PASSWORD").write_text("k4fka\n")
    (folder / "facestream_minio_access_key").write_text("user\n")
    (folder / "FACESTREAM_MINIO_SECRET_KEY").write_text("m1nio")
    (folder / "FACESTREAM_MONGO_URI").write_text("mongodb://user:pass@host/\n")
    password = KafkaSettings().password
    assert password is not None
    assert password.get_secret_value() == "k4fka"
    minio = MinioSettings()
    assert (minio.access_key.get_secret_value(), minio.secret_key.get_secret_value()) == ("user", "m1nio")
    assert MongoSettings().uri.get_secret_value() == "mongodb://user:pass@host/"


def test_a_variable_counts_more_than_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "FACESTREAM_KAFKA_USERNAME").write_text("of the file")
    monkeypatch.setenv("FACESTREAM_KAFKA_USERNAME", "of the variable")
    assert KafkaSettings().username == "of the variable"


def test_a_folder_that_is_not_there_is_invalid_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESTREAM_SECRETS_DIR", str(folder / "none"))
    with pytest.raises(InvalidInput, match="FACESTREAM_SECRETS_DIR"):
        KafkaSettings()


def test_a_secret_of_a_wrong_form_is_not_quoted(folder: Path) -> None:
    (folder / "FACESTREAM_MINIO_ENDPOINT").write_text("http://user:n0t-t0-be-printed@host")
    with pytest.raises(InvalidInput, match="FACESTREAM_MINIO_") as caught:
        MinioSettings()
    assert "n0t-t0-be-printed" not in str(caught.value)


def test_the_variable_that_names_the_folder_is_known() -> None:
    check_environment({"FACESTREAM_SECRETS_DIR": "/run/secrets"})
