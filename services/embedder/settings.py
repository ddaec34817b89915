"""What can be configured about embedding."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class EmbedderSettings(Settings):
    """How crops become vectors."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_EMBEDDER_")

    batch_size: Annotated[int, Field(ge=1, le=1024, description="crops; every batch is padded to this size")] = 16
    precision: Annotated[
        Literal["float32", "bfloat16"], Field(description="of the convolutions; vectors are always float32")
    ] = "float32"
