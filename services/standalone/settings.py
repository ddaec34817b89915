"""What can be configured about a run over a folder."""

import os
from typing import Annotated, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class StandaloneSettings(Settings):
    """How a run uses the machine."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_STANDALONE_")

    processes: Annotated[int, Field(ge=1, le=256, description="that decode, detect and judge photographs")] = (
        os.cpu_count() or 1
    )
    photo_timeout: Annotated[
        float, Field(gt=0, description="seconds; a photograph that takes longer is unreadable, its process ended")
    ] = 300.0
    photos_per_batch: Annotated[int, Field(ge=1, le=4096, description="photographs embedded and stored together")] = 32

    @classmethod
    def with_processes(cls, processes: int | None) -> Self:
        """Return the settings with this number of processes, or with the configured one."""
        return cls() if processes is None else cls(processes=processes)
