"""What can be configured about detection."""

import math
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.errors import InvalidInput
from shared.settings import Settings, Unit


class DetectorSettings(Settings):
    """Decoding of photographs and detection of faces."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_DETECTOR_")

    photo_width: Annotated[
        int,
        Unit("pixels"),
        Field(ge=64, le=8192, description="Width in pixels to which a photograph is scaled before faces are searched."),
    ] = 800
    upsample: Annotated[
        int,
        Unit("doublings"),
        Field(
            ge=0,
            le=3,
            description="Number of times that the scaled photograph is doubled in size before faces are searched.",
        ),
    ] = 1
    # Enlarged further, small photographs cost more and show less: of 118 samples of 115 to 360 pixels, the detector
    # finds faces on 111 without this limit and on 116 with it, in half the time; of 533 LFW photographs on 531 and 529.
    min_face: Annotated[
        int,
        Unit("pixels"),
        Field(
            ge=8,
            le=80,
            description="Width in pixels of the smallest face to search for, measured on the original photograph.",
        ),
    ] = 20
    crop_width: Annotated[
        int, Unit("pixels"), Field(ge=32, le=1024, description="Width and height in pixels of an aligned face crop.")
    ] = 160
    max_bytes: Annotated[
        int,
        Unit("bytes"),
        Field(gt=0, description="Largest size in bytes of a photograph's file. A larger file is not read."),
    ] = 256 * 1024 * 1024
    # Phones of "200 megapixels" make pictures of 16384 x 12288, which is 201.3.
    max_megapixels: Annotated[
        float,
        Unit("megapixels"),
        Field(gt=0, description="Largest size in megapixels of a photograph. A larger photograph is not decoded."),
    ] = 256.0
    memory: Annotated[
        int | None,
        Unit("bytes"),
        Field(
            ge=64 * 1024 * 1024,
            description="Memory in bytes that each process may use to decode a photograph. If not set, the processes"
            " share the memory of the container or machine.",
        ),
    ] = None


class DetectorProcesses(Settings):
    """Worker processes of the detector service.

    The default is one process, since Kubernetes gives each replica its cores and adds replicas. On a machine that runs
    a single detector, use one process per core. The service refuses to start if a batch in which every photograph takes
    the longest time would take longer than `FACESTREAM_KAFKA_MAX_POLL_INTERVAL`.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_DETECTOR_")

    processes: Annotated[
        int,
        Unit("processes"),
        Field(
            ge=1,
            le=256,
            description="Number of worker processes of the detector service. Set it to the number of cores of the"
            " container.",
        ),
    ] = 1
    photo_timeout: Annotated[
        float,
        Unit("seconds"),
        Field(
            gt=0,
            description="Longest time in seconds that the detector service spends on one photograph. A photograph that"
            " takes longer counts as unreadable.",
        ),
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
