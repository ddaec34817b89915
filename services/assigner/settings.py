"""What can be configured about assignment."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings

Rule = Literal["medoid", "mean"]


class AssignerSettings(Settings):
    """When a face belongs to a person."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_ASSIGNER_")

    rule: Annotated[Rule, Field(description="what stands for a person: its medoid, or the mean of its faces")] = (
        "medoid"
    )
    threshold: Annotated[float, Field(ge=-1, le=1, description="inner product; from it on a face is assigned")] = 0.75
    margin: Annotated[
        float, Field(ge=0, le=2, description="inner product; how much more similar than the second person it must be")
    ] = 0.0
