"""What can be configured about detection."""

import math
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import InvalidInput
from shared.settings import Settings


class DetectorSettings(Settings):
    """How photographs are decoded and faces are found and cut out."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_DETECTOR_")

    photo_width: Annotated[int, Field(ge=64, le=8192, description="pixels; detection runs at this width")] = 800
    upsample: Annotated[int, Field(ge=0, le=3, description="times the picture is doubled before detection")] = 1
    # Enlarged further, small photographs cost more and show less: of 118 samples of 115 to 360 pixels, the detector
    # finds faces on 111 without this limit and on 116 with it, in half the time; of 533 LFW photographs on 531 and 529.
    min_face: Annotated[
        int, Field(ge=8, le=80, description="pixels of the photograph; smaller faces are not looked for")
    ] = 20
    crop_width: Annotated[int, Field(ge=32, le=1024, description="pixels; width and height of an aligned crop")] = 160
    max_bytes: Annotated[int, Field(gt=0, description="bytes; a larger file is not read")] = 256 * 1024 * 1024
    # Phones of "200 megapixels" make pictures of 16384 x 12288, which is 201.3.
    max_megapixels: Annotated[float, Field(gt=0, description="megapixels; a larger picture is not decoded")] = 256.0
    memory: Annotated[
        int | None,
        Field(
            ge=64 * 1024 * 1024,
            description="bytes that decoding a photograph may take in each process; absent: shared out of all there is",
        ),
    ] = None


class DetectorProcesses(Settings):
    """The processes that decode photographs and find faces for the stream.

    One, because Kubernetes gives a replica its cores and adds replicas; a machine that runs one detector wants one
    per core. A batch of photographs that all take too long must end before Kafka gives the detector up.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_DETECTOR_")

    processes: Annotated[int, Field(ge=1, le=256, description="that decode photographs and find faces")] = 1
    photo_timeout: Annotated[
        float, Field(gt=0, description="seconds; a photograph that takes longer is unreadable, its process ended")
    ] = 30.0

    def check_silence(self, batch: int, longest: float) -> None:
        """Refuse what could keep a batch of photographs for longer than `longest` seconds; raises `InvalidInput`."""
        worst = math.ceil(batch / self.processes) * self.photo_timeout
        if worst >= longest:
            msg = (
                f"FACESTREAM_DETECTOR_PHOTO_TIMEOUT: a batch of {batch} photographs may take {worst:g} s in"
                f" {self.processes} processes, and Kafka gives a member up after {longest:g} s; lower it or"
                " FACESTREAM_WORKER_BATCH, or raise FACESTREAM_KAFKA_MAX_POLL_INTERVAL"
            )
            raise InvalidInput(msg)
