"""Settings: read once, in a program's entry point, and passed on as values.

Every service declares its own in `services/<name>/settings.py`; each field has a default, a unit and limits. The
environment variable of a field is `FACESTREAM_<SECTION>_<FIELD>`. What is not set there may stand in a file of that
name, in the folder that `FACESTREAM_SECRETS_DIR` names: so secrets are mounted by compose and Kubernetes.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInput

_PREFIX = "FACESTREAM_"
_PYDANTICS = "Value error, "  # what pydantic puts before a sentence of ours

SECTIONS = (
    *("ADMIN", "ASSIGNER", "BUCKET", "DETECTOR", "EMBEDDER", "KAFKA", "MINIO", "MODELS", "MONGO", "PHOTOS", "QUALITY"),
    *("RECLUSTERER", "RECONCILER", "SECRETS", "SERVICE", "STANDALONE", "TRACING", "WORKER"),
)
"""The first words of all variables; `TEST` is for the tests."""

OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
"""A path that may be absent. An empty variable is absent too: so a setting that comes from elsewhere is taken back."""

_NO_FIELDS = {"FACESTREAM_MODELS_DIR", "FACESTREAM_SECRETS_DIR"}  # read where they are needed, by no settings object


class Settings(BaseSettings):
    """Base of all settings: frozen, and nothing unknown is accepted."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        """Take `values`, the environment, the files, the defaults; raises `InvalidInput` that names the variable."""
        try:
            super().__init__(_secrets_dir=_secrets_folder(), **values)
        except ValidationError as error:
            prefix = self.model_config.get("env_prefix", "")
            first = error.errors(include_input=False, include_url=False)[0]
            name = (prefix + "_".join(str(part) for part in first["loc"]).upper()).rstrip("_")  # "" for several fields
            # Without the value: it may be a secret.
            msg = f"{name}: {first['msg'].removeprefix(_PYDANTICS)}"
            field = type(self).model_fields.get(str(first["loc"][0])) if first["loc"] else None
            if field and field.description and first["type"] not in {"value_error", "missing"}:
                msg += f"; expected: {field.description}"  # pydantic shows a pattern, and not what it is for
            raise InvalidInput(msg) from None


def _secrets_folder() -> Path | None:
    folder = os.environ.get("FACESTREAM_SECRETS_DIR")
    if not folder:
        return None
    if not Path(folder).is_dir():
        msg = f"FACESTREAM_SECRETS_DIR: expected a folder of files named as variables, found no folder: {folder}"
        raise InvalidInput(msg)
    return Path(folder)


class BucketSettings(Settings):
    """The names of the two buckets."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_BUCKET_")

    photos: Annotated[str, Field(min_length=1, description="bucket of the photographs")] = "photos"
    faces: Annotated[str, Field(min_length=1, description="bucket of the aligned crops")] = "faces"
    notification: Annotated[
        str, Field(pattern=r"^arn:[^\s]+$", description="ARN of MinIO's Kafka target, which tells of photographs")
    ] = "arn:minio:sqs::PRIMARY:kafka"

    @model_validator(mode="after")
    def _are_two(self) -> Self:
        if self.photos == self.faces:
            msg = (
                f"expected two buckets, found {self.faces} for the photographs and for the crops: every crop would be a"
                " photograph, with crops of its own; name another one in FACESTREAM_BUCKET_PHOTOS or _FACES"
            )
            raise ValueError(msg)
        return self


class ReconcilerSettings(Settings):
    """What the comparison of bucket and database may conclude by itself."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECONCILER_")

    largest_loss: Annotated[
        float,
        Field(ge=0, le=1, description="share of the known photographs; where more are gone none is announced"),
    ] = 0.2


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse a `FACESTREAM_*` variable that nobody would read: a typing error must not go unnoticed for months.

    All services share one environment, and none can know every other's settings. So a program judges the fields of
    the sections that it has imported, and of the others only the first word. Raises `InvalidInput`.
    """
    fields = _NO_FIELDS.union(_fields(Settings))
    sections = {f"{_PREFIX}{section}_" for section in SECTIONS}
    imported = {section for section in sections if any(field.startswith(section) for field in fields)}
    for name in sorted(name for name in environment if name.startswith(_PREFIX)):
        section = next((section for section in sections if name.startswith(section)), None)
        if name in fields or name.startswith(f"{_PREFIX}TEST_") or (section and section not in imported):
            continue
        nearest = get_close_matches(name, fields if section else fields | sections, 1)
        msg = f"{name}: no such setting" + (f"; the nearest is {nearest[0].removesuffix('_')}" if nearest else "")
        raise InvalidInput(msg)


def _fields(settings: type[Settings]) -> Iterator[str]:
    """Yield the variables of all settings that are defined so far."""
    prefix = settings.model_config.get("env_prefix", "")
    yield from (f"{prefix}{field}".upper() for field in settings.model_fields)
    for narrower in settings.__subclasses__():
        yield from _fields(narrower)
