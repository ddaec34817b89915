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
from shared.settings import BucketSettings, DefaultText, Settings, Unit

_MIB = 1024 * 1024
OF_RUN = 2304 * _MIB
"""Bytes that the process of a run takes beside those that decode; the largest one measured took 2.2 GiB."""
OF_COMMAND = 256 * _MIB
"""Bytes that the process of a command takes which decodes, and does nothing with faces."""


class StandaloneSettings(Settings):
    """Runs over a folder."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_STANDALONE_")

    processes: Annotated[
        int,
        Unit("processes"),
        DefaultText("the number of cores"),
        Field(
            ge=1,
            le=256,
            description="Number of processes that decode photographs, find faces and judge the crops. The default is"
            " lowered if the memory does not suffice for so many.",
        ),
    ] = os.cpu_count() or 1
    photo_timeout: Annotated[
        float,
        Unit("seconds"),
        Field(
            gt=0,
            description="Longest time in seconds that a run spends on one photograph. A photograph that takes longer"
            " counts as unreadable.",
        ),
    ] = 300.0
    photos_per_batch: Annotated[
        int,
        Unit("photographs"),
        Field(ge=1, le=4096, description="Number of photographs that are embedded and stored together."),
    ] = 32
    forget_missing: Annotated[
        bool,
        Field(description="Whether to forget all photographs that are missing, even a whole folder at once."),
    ] = False
    largest_loss: Annotated[
        float,
        Unit("share"),
        Field(
            ge=0,
            le=1,
            description="Largest share of the known photographs that may be missing at once. If more are missing, all"
            " of them are kept.",
        ),
    ] = 0.2
    least_loss: Annotated[
        int,
        Unit("photographs"),
        Field(ge=0, description="Number of photographs that may be missing at once, whatever their share."),
    ] = 10
    recluster_below: Annotated[
        float,
        Unit("share"),
        Field(
            ge=0,
            le=1,
            description="Share of all faces. If fewer took part in the last reclustering, a run reclusters all faces by"
            " itself.",
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
