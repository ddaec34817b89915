"""The settings of a run over a folder."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.detector import decoder_memory as memory
from services.detector.settings import DetectorSettings
from services.embedder.settings import EmbedderSettings
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from shared.domain.matching import AssignerSettings
from shared.photos.photo_rule import PhotoSettings
from shared.settings import BucketSettings, DefaultText, Settings, Unit

_MIB = 1024 * 1024
OF_RUN = 2304 * _MIB
"""Bytes that the main process of a run needs, without the processes that decode; 2.2 GiB is the most it ever took."""
OF_COMMAND = 256 * _MIB
"""Bytes that the main process of a command needs that only decodes photographs, and computes nothing of faces."""


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
        """Return whether too many of the `known` photographs are lost at once for a person to have removed them."""
        return lost > max(self.largest_loss * known, self.least_loss)

    @classmethod
    def with_processes(cls, processes: int | None, *, forget_missing: bool = False) -> Self:
        """Return the settings of the environment, except for these values of the command line."""
        given: dict[str, Any] = {} if processes is None else {"processes": processes}
        if forget_missing:
            given["forget_missing"] = True
        return cls(**given)

    def with_memory_shared(self, detector: DetectorSettings, beside: int) -> tuple[Self, DetectorSettings]:
        """Divide the memory of the container or machine among the processes that decode photographs.

        Returns these settings and the detector's. The default number of processes is lowered if each would have too
        little memory; an explicit number stays. `beside`: bytes that the calling process itself needs.
        """
        fewer = self
        if "processes" not in self.model_fields_set and detector.memory is None:
            fewer = self.model_copy(update={"processes": memory.fitting(self.processes, beside)})
        return fewer, memory.of_folder(detector, fewer.processes, beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that is configured about one run: its two folders, the command line, and the settings of each step.

    `photos` is the folder of the photographs, `out` that of the result. `recluster`: group all faces again, even if
    that is not due. `rescan`: read every photograph again, even if its size and times are as before.
    """

    photos: Path
    out: Path
    recluster: bool = False
    rescan: bool = False
    standalone: StandaloneSettings = field(default_factory=StandaloneSettings)
    buckets: BucketSettings = field(default_factory=BucketSettings)
    photo_rule: PhotoSettings = field(default_factory=PhotoSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    embedder: EmbedderSettings = field(default_factory=EmbedderSettings)
    assigner: AssignerSettings = field(default_factory=AssignerSettings)
    reclusterer: ReclustererSettings = field(default_factory=ReclustererSettings)

    def with_memory_shared(self) -> Self:
        """Return the settings with the number of processes and the memory of each that this machine allows."""
        standalone, detector = self.standalone.with_memory_shared(self.detector, OF_RUN)
        return replace(self, standalone=standalone, detector=detector)
