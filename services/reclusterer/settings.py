"""What can be configured about clustering."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class ReclustererSettings(Settings):
    """How all faces are regrouped into people."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECLUSTERER_")

    edge_threshold: Annotated[
        float, Field(ge=0, lt=1, description="inner product; two faces above it are neighbours")
    ] = 0.70
    iterations: Annotated[int, Field(ge=1, description="rounds of Chinese Whispers at the most")] = 50
    stay_threshold: Annotated[
        float, Field(ge=-1, le=1, description="mean inner product with the other members; below it a face leaves")
    ] = 0.5
    join_threshold: Annotated[
        float,
        Field(ge=-1, le=1, description="inner product with the mean of a cluster; from it on a lonely face joins"),
    ] = 0.6
    join_margin: Annotated[
        float, Field(ge=0, le=2, description="inner product; how much nearer than the second cluster it must be")
    ] = 0.2
    min_cluster_size: Annotated[int, Field(ge=2, description="faces; a smaller cluster is not a person")] = 20
    seed: Annotated[int, Field(ge=0, description="of the order in which faces are visited")] = 0
