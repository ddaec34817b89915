"""Settings: read once, in a program's entry point, and passed on as values.

The environment variable of a field is `FACESTREAM_<SECTION>_<FIELD>`. A variable that is not set may be given as a file
of the same name in the folder that `FACESTREAM_SECRETS_DIR` names; compose and Kubernetes mount secrets there. Each
field has a description, limits and a unit, from which `python -m docs.make_configuration` makes the reference page.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInput

_PREFIX = "FACESTREAM_"
_PYDANTICS = "Value error, "  # what pydantic puts before a sentence of ours

SECTIONS: Mapping[str, str] = {
    "ADMIN": "shared.access.admin_settings",
    "ASSIGNER": "shared.domain.matching",
    "BUCKET": "shared.settings",
    "DETECTOR": "services.detector.settings",
    "EMBEDDER": "services.embedder.settings",
    "KAFKA": "shared.adapters.kafka.settings",
    "MINIO": "shared.adapters.minio.settings",
    "MODELS": "shared.settings",
    "MONGO": "shared.adapters.mongo.settings",
    "PHOTOS": "shared.photos.photo_rule",
    "QUALITY": "services.quality.settings",
    "RECLUSTERER": "services.reclusterer.settings",
    "RECONCILER": "shared.settings",
    "SECRETS": "shared.settings",
    "SERVICE": "shared.stream.service",
    "STANDALONE": "services.standalone.settings",
    "TRACING": "shared.stream.tracing",
    "WORKER": "shared.stream.worker",
}
"""The sections of the variables, each with the module that declares its settings. `TEST` is reserved for the tests.

A program knows the settings that it has imported. This table lets it distinguish a variable of another program from a
typing error, and lets a command import the settings of a section. A settings class that is not in it cannot be defined.
"""

PLAIN_VARIABLES: Mapping[str, str] = {
    "FACESTREAM_MODELS_DIR": "Folder of the model files. If not set, they lie in `share/facestream/models` inside the"
    " Python environment.",
    "FACESTREAM_SECRETS_DIR": "Folder of files that are named like variables. A file gives the value of a variable that"
    " is not set in the environment.",
}
"""The variables that are read from the environment without a settings class, with their descriptions."""

OptionalPath = Annotated[Path | None, BeforeValidator(lambda value: None if value == "" else value)]
"""A path that may be absent. An empty variable is absent too: so a setting that comes from elsewhere is taken back."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number, for people who read about the setting; it does not change how the value is read."""

    name: str


@dataclass(frozen=True, slots=True)
class DefaultText:
    """A default in words, for people, where the value differs from machine to machine or from service to service."""

    text: str


class Settings(BaseSettings):
    """Base of all settings: frozen, and nothing unknown is accepted."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Raise `TypeError` for a class that is missing in `SECTIONS`: its variables would count as misspelt."""
        prefix = cls.model_config.get("env_prefix", "")
        section = prefix.removeprefix(_PREFIX).removesuffix("_")
        if prefix != f"{_PREFIX}{section}_" or SECTIONS.get(section) != cls.__module__:
            msg = f"{cls.__name__}: expected {prefix!r} in the table of sections with {cls.__module__}, found"
            msg += f" {SECTIONS.get(section)}"
            raise TypeError(msg)

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
    """Names of the buckets."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_BUCKET_")

    photos: Annotated[str, Field(min_length=1, description="Name of the bucket that holds the photographs.")] = "photos"
    faces: Annotated[
        str,
        Field(
            min_length=1,
            description="Name of the bucket that holds the face crops. It must differ from the bucket of photographs.",
        ),
    ] = "faces"
    notification: Annotated[
        str,
        Field(
            pattern=r"^arn:[^\s]+$",
            description="ARN of MinIO's Kafka target, to which MinIO sends notifications about photographs.",
        ),
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
    """Limits of the reconciler."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECONCILER_")

    largest_loss: Annotated[
        float,
        Unit("share"),
        Field(
            ge=0,
            le=1,
            description="Largest share of the known photographs that may be gone from the bucket at once. If more are"
            " gone, no removal is announced.",
        ),
    ] = 0.2


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse a `FACESTREAM_*` variable that nobody would read: a typing error must not go unnoticed for months.

    All services share one environment, and none can know every other's settings. So a program judges the fields of
    the sections that it has imported, and of the others only the first word. Raises `InvalidInput`.
    """
    fields = {*PLAIN_VARIABLES, *(name for settings in settings_classes() for name in variables_of(settings))}
    sections = {f"{_PREFIX}{section}_" for section in SECTIONS}
    imported = {section for section in sections if any(field.startswith(section) for field in fields)}
    for name in sorted(name for name in environment if name.startswith(_PREFIX)):
        section = next((section for section in sections if name.startswith(section)), None)
        if name in fields or name.startswith(f"{_PREFIX}TEST_") or (section and section not in imported):
            continue
        nearest = get_close_matches(name, fields if section else fields | sections, 1)
        msg = f"{name}: no such setting" + (f"; the nearest is {nearest[0].removesuffix('_')}" if nearest else "")
        raise InvalidInput(msg)


def settings_classes(base: type[Settings] = Settings) -> Iterator[type[Settings]]:
    """Yield all settings classes that are defined so far."""
    for settings in base.__subclasses__():
        yield settings
        yield from settings_classes(settings)


def variables_of(settings: type[Settings]) -> Mapping[str, str]:
    """Return the field of each environment variable that a settings class reads."""
    prefix = settings.model_config["env_prefix"]
    return {f"{prefix}{field}".upper(): field for field in settings.model_fields}
