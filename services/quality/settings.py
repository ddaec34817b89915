"""What can be configured about the quality of crops."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class QualitySettings(Settings):
    """When a crop is good enough to be embedded."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_QUALITY_")

    sharpness_threshold: Annotated[
        float, Field(ge=0, description="variance of the Laplacian of the grey crop; below it a face is blurry")
    ] = 25.0
