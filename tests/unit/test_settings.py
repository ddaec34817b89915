"""Settings: what is refused, and with which words."""

import importlib

import pytest
from pydantic_settings import SettingsConfigDict

from shared.adapters.minio.settings import MinioSettings
from shared.errors import InvalidInput
from shared.settings import PLAIN_VARIABLES, SECTIONS, BucketSettings, Settings, check_environment
from shared.stream.worker import WorkerSettings


@pytest.mark.parametrize("section", SECTIONS)
def test_the_module_of_a_section_declares_its_settings(section: str) -> None:
    module = importlib.import_module(SECTIONS[section])
    prefixes = {
        one.model_config.get("env_prefix")
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Settings) and one.__module__ == module.__name__
    }
    assert f"FACESTREAM_{section}_" in prefixes or any(
        name.startswith(f"FACESTREAM_{section}_") for name in PLAIN_VARIABLES
    )


@pytest.mark.parametrize("prefix", ["FACESTREAM_FORGOTTEN_", "FACESTREAM_KAFKA_", "KAFKA_", "FACESTREAM_KAFKA", ""])
def test_settings_outside_the_table_of_sections_cannot_be_defined(prefix: str) -> None:
    with pytest.raises(TypeError, match=f"{prefix!r} in the table of sections with {__name__}, found"):
        type("Forgotten", (Settings,), {"model_config": SettingsConfigDict(env_prefix=prefix), "__module__": __name__})


@pytest.mark.parametrize(("photos", "faces"), [("x", "x"), ("faces", "faces")])
def test_one_bucket_for_photographs_and_crops_is_refused(photos: str, faces: str) -> None:
    # Every crop would be announced as a photograph, whose crop is one again.
    with pytest.raises(InvalidInput, match=r"^FACESTREAM_BUCKET: expected two buckets, found (x|faces) for"):
        BucketSettings(photos=photos, faces=faces)


@pytest.mark.parametrize(
    "name",
    [
        "FACESTREAM_WORKER_BATCH",
        "FACESTREAM_TEST_KAFKA",
        "FACESTREAM_MODELS_DIR",
        "FACESTREAM_RECLUSTERER_SEED",
        "PATH",
    ],
)
def test_variables_that_somebody_reads_are_let_through(name: str) -> None:
    check_environment({name: "1"})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FACESTREAM_WORKER_BACTH", "FACESTREAM_WORKER_BATCH"),
        ("FACESTREAM_WROKER_BATCH", "FACESTREAM_WORKER_BATCH"),
        ("FACESTREAM_KAFAK_SECURITY", "FACESTREAM_KAFKA"),
        ("FACESTREAM_BATCH", "FACESTREAM_"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_nearest_one_named(name: str, nearest: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name}: no such setting; the nearest is {nearest}"):
        check_environment({name: "secret"})


@pytest.mark.parametrize(
    ("settings", "name", "value", "told"),
    [
        (
            MinioSettings,
            "FACESTREAM_MINIO_ENDPOINT",
            "http://private@minio",
            "expected: Host and port of MinIO as `host:port`, without a scheme.",
        ),
        (MinioSettings, "FACESTREAM_MINIO_SECRET_KEY", "", "expected: Secret key of MinIO, which is the password."),
        (BucketSettings, "FACESTREAM_BUCKET_PHOTOS", "", "expected: Name of the bucket that holds the photographs."),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_is_expected_there_and_is_not_told(
    monkeypatch: pytest.MonkeyPatch, settings: type[Settings], name: str, value: str, told: str
) -> None:
    for variable in ("FACESTREAM_MINIO_ACCESS_KEY", "FACESTREAM_MINIO_SECRET_KEY"):
        monkeypatch.setenv(variable, "private")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput) as caught:
        settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).endswith(f"; {told}")
    assert "private" not in str(caught.value)


def test_a_service_has_its_own_size_of_a_batch_unless_one_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerSettings.preferring(batch=500).batch == 500
    monkeypatch.setenv("FACESTREAM_WORKER_BATCH", "7")
    assert WorkerSettings.preferring(batch=500).batch == 7
