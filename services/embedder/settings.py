"""What can be configured about embedding."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import OptionalPath, Settings, Unit

Precision = Literal["float32", "bfloat16"]
"""The numbers that the convolutions compute in."""


class EmbedderSettings(Settings):
    """Embedding of face crops.

    `bfloat16` doubles the speed on a CPU that has instructions for it (AVX512-BF16, AMX); the vectors then differ from
    those of `float32` by a cosine distance of 2e-4. `float32` is the default because it gives the same vectors on every
    machine, so that the clusters do not depend on where a photograph was embedded.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_EMBEDDER_")

    model: Annotated[
        OptionalPath,
        Field(
            description="File or folder of the FaceNet model. If not set, the model that `facestream models fetch`"
            " fetched is used."
        ),
    ] = None
    batch_size: Annotated[
        int,
        Unit("crops"),
        Field(
            ge=1,
            le=1024,
            description="Largest number of crops that are embedded at once. On a GPU, a smaller batch is padded to this"
            " size.",
        ),
    ] = 16
    precision: Annotated[
        Precision, Field(description="Number format of the convolutions. The vectors are always float32.")
    ] = "float32"
    threads: Annotated[
        int,
        Unit("threads"),
        Field(
            ge=0,
            le=1024,
            description="Number of TensorFlow threads. If it is 0, TensorFlow starts one per core of the machine, which"
            " is too many in a container with a CPU quota.",
        ),
    ] = 0
