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
    min_cluster_size: Annotated[
        int, Field(ge=2, description="faces; a smaller cluster is not a person, who is one already needs half of them")
    ] = 20
    seed: Annotated[int, Field(ge=0, description="of the order in which faces are visited")] = 0


class JobSettings(Settings):
    """When generations are made, published and removed."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECLUSTERER_")

    dask_scheduler: Annotated[
        str | None, Field(description="address, as tcp://HOST:PORT; its workers search neighbours, else this process")
    ] = None
    model: Annotated[
        str | None, Field(description="id of the model whose faces are regrouped; needed where there are several")
    ] = None
    least_change_faces: Annotated[int, Field(ge=0, description="new and gone faces; with fewer nothing is done")] = 1
    least_change_share: Annotated[
        float, Field(ge=0, le=1, description="share of all faces; with fewer new and gone ones nothing is done")
    ] = 0.01
    largest_loss: Annotated[
        float, Field(ge=0, le=1, description="share of the known faces; a generation that loses more is held back")
    ] = 0.2
    largest_cluster: Annotated[
        float, Field(gt=0, le=1, description="share of all faces; a generation with a new larger one is held back")
    ] = 0.5
    keep: Annotated[int, Field(ge=2, description="generations that are kept, pinned ones not counted")] = 5
    # The group of the assigners drops a member that is silent for 45 s, and with it what it has not committed.
    drain_period: Annotated[
        float, Field(ge=0, le=3600, description="seconds until no assigner works in the generation before any more")
    ] = 60
    lease: Annotated[
        float, Field(ge=3, le=3600, description="seconds of silence after which another process takes over")
    ] = 60
    clock_skew: Annotated[float, Field(ge=0, description="seconds that the clocks of two machines may differ")] = 60
    retry_timeout: Annotated[
        float, Field(ge=0, description="seconds to try again while a server is away; then the attempt has failed")
    ] = 3600
