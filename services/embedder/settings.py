"""What can be configured about embedding."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import OptionalPath, Settings

Precision = Literal["float32", "bfloat16"]
"""The numbers that the convolutions compute in."""


class EmbedderSettings(Settings):
    """How crops become vectors.

    `bfloat16` doubles the speed on a CPU that has instructions for it (AVX512-BF16, AMX), at a cosine difference of
    2e-4 from `float32`. `float32` is the default because it gives the same vector, to the last digits, on every
    machine: the groups do not depend on where a photograph was embedded.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_EMBEDDER_")

    model: Annotated[
        OptionalPath, Field(description="model file or folder; absent: what `facestream models fetch` gets")
    ] = None
    batch_size: Annotated[
        int, Field(ge=1, le=1024, description="crops computed at once, at the most; on a GPU always as many")
    ] = 16
    precision: Annotated[Precision, Field(description="of the convolutions; vectors are always float32")] = "float32"
    threads: Annotated[
        int, Field(ge=0, le=1024, description="of TensorFlow; 0: one per core, too many where a container has a quota")
    ] = 0
