"""Settings: read once, in a program's entry point, and passed on as values.

Every service declares its own in `services/<name>/settings.py`; each field has a default, a unit and limits. The
environment variable of a field is `FACESTREAM_<SERVICE>_<FIELD>`.
"""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Base of all settings: frozen, and nothing unknown is accepted."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)


class BucketSettings(Settings):
    """The names of the two buckets."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_BUCKET_")

    photos: Annotated[str, Field(min_length=1, description="bucket of the photographs")] = "photos"
    faces: Annotated[str, Field(min_length=1, description="bucket of the aligned crops")] = "faces"
