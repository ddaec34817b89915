"""What can be configured about assignment."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class AssignerSettings(Settings):
    """When a face belongs to a person."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_ASSIGNER_")

    threshold: Annotated[float, Field(ge=-1, le=1, description="inner product; from it on a face is assigned")] = 0.75
