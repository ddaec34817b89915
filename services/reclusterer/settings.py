"""What can be configured about clustering."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings, Unit


class ReclustererSettings(Settings):
    """Clustering of all faces into people."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECLUSTERER_")

    edge_threshold: Annotated[
        float,
        Unit("inner product"),
        Field(ge=0, lt=1, description="Inner product above which two faces are neighbours in the graph."),
    ] = 0.70
    iterations: Annotated[
        int, Unit("rounds"), Field(ge=1, description="Largest number of rounds of Chinese Whispers.")
    ] = 50
    stay_threshold: Annotated[
        float,
        Unit("inner product"),
        Field(
            ge=-1,
            le=1,
            description="Smallest mean inner product with the other members of a cluster at which a face stays in it.",
        ),
    ] = 0.5
    join_threshold: Annotated[
        float,
        Unit("inner product"),
        Field(
            ge=-1,
            le=1,
            description="Smallest inner product with the mean of a cluster at which a single face, or one of a pair,"
            " joins the cluster.",
        ),
    ] = 0.6
    join_margin: Annotated[
        float,
        Unit("inner product"),
        Field(
            ge=0,
            le=2,
            description="Smallest difference between the inner products with the nearest and the second nearest cluster"
            " at which a face joins the nearest one.",
        ),
    ] = 0.2
    min_cluster_size: Annotated[
        int,
        Unit("faces"),
        Field(
            ge=2,
            description="Smallest number of faces of a cluster that becomes a person. A person who already exists needs"
            " only half as many.",
        ),
    ] = 20
    seed: Annotated[int, Field(ge=0, description="Seed of the random order in which the faces are visited.")] = 0


class JobSettings(Settings):
    """Schedule and publication of reclusterings."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_RECLUSTERER_")

    dask_scheduler: Annotated[
        str | None,
        Field(
            description="Address of a Dask scheduler, as `tcp://HOST:PORT`, whose workers search for neighbours. If not"
            " set, the reclusterer searches by itself."
        ),
    ] = None
    model: Annotated[
        str | None,
        Field(
            description="Id of the model whose faces are reclustered. It is required if there are faces of several"
            " models and none of them is the active generation's."
        ),
    ] = None
    least_change_faces: Annotated[
        int,
        Unit("faces"),
        Field(ge=0, description="Smallest number of new and removed faces at which all faces are reclustered."),
    ] = 1
    least_change_share: Annotated[
        float,
        Unit("share"),
        Field(
            ge=0,
            le=1,
            description="Smallest number of new and removed faces, as a share of all faces, at which all faces are"
            " reclustered.",
        ),
    ] = 0.01
    largest_loss: Annotated[
        float,
        Unit("share"),
        Field(
            ge=0,
            le=1,
            description="Largest share of the faces with a person that may become unknown. A generation that loses more"
            " is held back.",
        ),
    ] = 0.2
    largest_cluster: Annotated[
        float,
        Unit("share"),
        Field(
            gt=0,
            le=1,
            description="Largest share of all faces that one cluster may have. A generation with a new larger cluster"
            " is held back.",
        ),
    ] = 0.5
    keep: Annotated[
        int,
        Unit("generations"),
        Field(ge=2, description="Number of generations that are kept. Pinned generations are kept in addition."),
    ] = 5
    # The group of the assigners drops a member that is silent for 45 s, and with it what it has not committed.
    drain_period: Annotated[
        float,
        Unit("seconds"),
        Field(
            ge=0,
            le=3600,
            description="Time in seconds to wait after a switch of generations, so that every assigner has moved to the"
            " new one.",
        ),
    ] = 60
    lease: Annotated[
        float,
        Unit("seconds"),
        Field(
            ge=3,
            le=3600,
            description="Time in seconds without a renewal after which another process may take the lease over.",
        ),
    ] = 60
    clock_skew: Annotated[
        float,
        Unit("seconds"),
        Field(ge=0, description="Largest difference in seconds between the clocks of two machines."),
    ] = 60
    retry_timeout: Annotated[
        float,
        Unit("seconds"),
        Field(
            ge=0,
            description="Time in seconds to keep trying while a server is unavailable. After that, the reclustering has"
            " failed.",
        ),
    ] = 3600
