"""What can be configured about the quality of crops."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings, Unit


class QualitySettings(Settings):
    """Quality that a face crop needs to be embedded."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_QUALITY_")

    sharpness_threshold: Annotated[
        float,
        Unit("variance of the Laplacian"),
        Field(ge=0, description="Variance of the Laplacian of the grey crop below which a face counts as blurry."),
    ] = 25.0
