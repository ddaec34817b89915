"""Settings: read once, in a program's entry point, and passed on as values.

Every service declares its own in `services/<name>/settings.py`; each field has a default, a unit and limits. The
environment variable of a field is `FACESTREAM_<SERVICE>_<FIELD>`.
"""

from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInput


class Settings(BaseSettings):
    """Base of all settings: frozen, and nothing unknown is accepted."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, **values: Any) -> None:
        """Take `values`, then the environment, then the defaults; raises `InvalidInput` that names the variable."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            prefix = self.model_config.get("env_prefix", "")
            first = error.errors(include_input=False, include_url=False)[0]
            name = prefix + "_".join(str(part) for part in first["loc"]).upper()
            # Without the value: it may be a secret.
            msg = f"{name}: {first['msg']}"
            raise InvalidInput(msg) from None


class BucketSettings(Settings):
    """The names of the two buckets."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_BUCKET_")

    photos: Annotated[str, Field(min_length=1, description="bucket of the photographs")] = "photos"
    faces: Annotated[str, Field(min_length=1, description="bucket of the aligned crops")] = "faces"
