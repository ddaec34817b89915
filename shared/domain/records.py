"""The stored records: images, faces, memberships, clusters, generations, the lease.

Records are values. Writing one is an upsert on its derived identifier, so writing it again changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Box, Cause, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One photograph and its outcome.

    `source`: the record id or the scan that this comes from; it distinguishes a replay from a duplicate. `passing`: the
    photograph is unreadable for a reason that may pass, and should be tried again.
    """

    image_id: str
    object_id: str
    bucket: str
    key: str
    etag: str
    size: int
    uploaded_at: datetime
    outcome: Outcome
    reason: str | None = None
    version_id: str | None = None
    sequencer: str | None = None
    width: int | None = None
    height: int | None = None
    source: str = ""
    passing: bool = False

    @property
    def is_removed(self) -> bool:
        """Whether this image is to be erased, or marks that its object is gone."""
        return self.outcome is Outcome.REMOVED


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """One face. `vector`: shape (d,), float32, unit length; None unless the verdict is `accepted`."""

    face_id: str
    image_id: str
    object_id: str
    box: Box
    score: float
    crop_key: str
    sharpness: float
    verdict: Verdict
    vector: NDArray[np.float32] | None = None
    model_id: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The cluster of one face in one generation; `cluster_id` None means unknown."""

    generation: int
    face_id: str
    cluster_id: str | None
    similarity: float | None
    cause: Cause


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """One person in one generation.

    `medoid`: shape (d,), float32, unit length, the vector of `medoid_face_id`. `exemplars`: shape (k, d), float32,
    further vectors of unit length that stand for the cluster, the first one the direction of the mean of its members;
    k may be 0. `parents`: ids of the clusters of the generation before that it shares members with, the one with
    most shared members first.
    """

    generation: int
    cluster_id: str
    medoid_face_id: str
    medoid: NDArray[np.float32]
    exemplars: NDArray[np.float32]
    size: int
    parents: tuple[str, ...] = ()


class GenerationState(StrEnum):
    """The state of a generation. `held`: the guard did not let it become active."""

    BUILDING = "building"
    HELD = "held"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Generation:
    """The result of reclustering all faces.

    `snapshot`: digest of the face ids and the model that it was made from; equal snapshots and parameters result in
    equal clusters. `grouping`: digest of the result (cluster of each face, medoid of each cluster), "" if an earlier
    version of this software made it. `revision`: how often another medoid has replaced an erased one since then; the
    repository counts it and ignores the saved value. `published_at`: when it was last published. `previous`: the
    generation that it replaced, or was to replace, at that time; 0 for none. `announced`: all differences from that
    one are in Kafka. `reason`: why it is held. Only a generation in state `building` can be incomplete.
    """

    number: int
    state: GenerationState
    model_id: str
    snapshot: str
    parameters: Mapping[str, float | int | str]
    counts: Mapping[str, float | int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    announced: bool = False
    created_at: datetime | None = None
    published_at: datetime | None = None
    previous: int = 0
    reason: str = ""
    grouping: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease for making and publishing generations.

    `number` is the fencing number: it grows with each new holder, and shuts out the former one. `renewals` counts
    within one number. `holder` None: the lease is free. `expires_at` is by the clock of the holder, which renews the
    lease more often than every `seconds`.
    """

    number: int
    holder: str | None
    renewals: int
    seconds: float
    expires_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class FaceBlock:
    """A block of accepted faces. `vectors`: shape (n, d), float32, unit length, row i belongs to `face_ids[i]`."""

    face_ids: tuple[str, ...]
    image_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
