"""What can be configured about a run over a folder."""

import os
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.detector import decoder_memory as memory
from services.detector.settings import DetectorSettings
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from shared.domain.matching import AssignerSettings
from shared.photos.photo_rule import PhotoSettings
from shared.settings import BucketSettings, Settings

_MIB = 1024 * 1024
OF_RUN = 2304 * _MIB
"""Bytes that the process of a run takes beside those that decode; the largest one measured took 2.2 GiB."""
OF_COMMAND = 256 * _MIB
"""Bytes that the process of a command takes which decodes, and does nothing with faces."""


class StandaloneSettings(Settings):
    """How a run uses the machine, and when it takes photographs for lost."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_STANDALONE_")

    processes: Annotated[int, Field(ge=1, le=256, description="that decode, detect and judge photographs")] = (
        os.cpu_count() or 1
    )
    photo_timeout: Annotated[
        float, Field(gt=0, description="seconds; a photograph that takes longer is unreadable, its process ended")
    ] = 300.0
    photos_per_batch: Annotated[int, Field(ge=1, le=4096, description="photographs embedded and stored together")] = 32
    forget_missing: Annotated[
        bool, Field(description="photographs that are missing are forgotten, even a whole folder at once")
    ] = False
    largest_loss: Annotated[
        float,
        Field(ge=0, le=1, description="share of the known photographs; if more are missing at once, they are kept"),
    ] = 0.2
    least_loss: Annotated[
        int, Field(ge=0, description="photographs; so many may be missing at once whatever their share")
    ] = 10
    recluster_below: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="share of the faces; a run regroups by itself while the people were made of fewer than that",
        ),
    ] = 0.5

    def is_too_much(self, lost: int, known: int) -> bool:
        """Say whether so many of the known photographs are not lost to a person's doing at once."""
        return lost > max(self.largest_loss * known, self.least_loss)

    @classmethod
    def with_processes(cls, processes: int | None, *, forget_missing: bool = False) -> Self:
        """Return the settings, or what a person said on the command line in their place."""
        said: dict[str, Any] = {} if processes is None else {"processes": processes}
        if forget_missing:
            said["forget_missing"] = True
        return cls(**said)

    def sharing(self, detector: DetectorSettings, beside: int) -> tuple[Self, DetectorSettings]:
        """Return these settings and the detector's with the memory of each process; `beside`: bytes that others take.

        Of as many processes as the machine has cores, those are left out that would have too little; a number that
        somebody has said stays.
        """
        fewer = self
        if "processes" not in self.model_fields_set and detector.memory is None:
            fewer = self.model_copy(update={"processes": memory.fitting(self.processes, beside)})
        return fewer, memory.of_folder(detector, fewer.processes, beside)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of all steps of a run."""

    buckets: BucketSettings
    standalone: StandaloneSettings
    detector: DetectorSettings
    quality: QualitySettings
    assigner: AssignerSettings
    reclusterer: ReclustererSettings
    photos: PhotoSettings
