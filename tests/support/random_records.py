"""Random keys and records, and a comparable form of records."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shared.domain.events import Box, Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Membership

# What every store takes in a key: a listing of S3 is XML, which has no control characters; FolderStore's own key
# syntax needs the backslash; names with a dot in front are no keys there, and no file system has longer ones.
_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\ufffe\uffff")
PARTS = st.text(_CHARACTERS, min_size=1, max_size=60).filter(lambda part: part[0] != "." and len(part.encode()) < 200)
KEYS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def _holds_one_as_folder(keys: list[str]) -> bool:
    return any(other.startswith(f"{key}/") for key in keys for other in keys)


KEY_SETS = st.lists(KEYS, max_size=12, unique=True).filter(lambda keys: not _holds_one_as_folder(keys))
"""Keys that can be in a bucket together: in a folder, `a` and `a/b` cannot."""

_IDS = st.text("0123456789abcdef", min_size=1, max_size=4)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds are naive
_REALS = st.floats(-1e6, 1e6)
DIMENSION = 4


def _arrays(*shape: int) -> st.SearchStrategy[NDArray[np.float32]]:
    return hnp.arrays(np.float32, shape, elements=st.floats(-1, 1, width=32))


IMAGES = st.builds(
    ImageRecord,
    image_id=_IDS,
    object_id=_IDS,
    bucket=_TEXTS,
    key=_TEXTS,
    etag=_TEXTS,
    size=st.integers(0, 2**53),
    # MongoDB keeps milliseconds, a file system more: what a repository must keep is the microsecond of `datetime`.
    uploaded_at=_TIMES,
    outcome=st.sampled_from(Outcome),
    reason=st.none() | _TEXTS,
    version_id=st.none() | _TEXTS,
    sequencer=st.none() | _TEXTS,
    width=st.none() | st.integers(1, 100_000),
    height=st.none() | st.integers(1, 100_000),
    source=_TEXTS,
)
FACES = st.builds(
    FaceRecord,
    face_id=_IDS,
    image_id=_IDS,
    object_id=_IDS,
    box=st.builds(
        Box,
        left=st.integers(-999, 99_999),
        top=st.integers(-999, 99_999),
        width=st.integers(1, 99_999),
        height=st.integers(1, 99_999),
    ),
    score=_REALS,
    crop_key=_TEXTS,
    sharpness=_REALS,
    verdict=st.sampled_from(Verdict),
    vector=st.none() | _arrays(DIMENSION),
    model_id=st.none() | st.sampled_from(["one", "other"]),
)
MEMBERSHIPS = st.builds(
    Membership,
    generation=st.integers(0, 3),
    face_id=_IDS,
    cluster_id=st.none() | _IDS,
    similarity=st.none() | _REALS,
    cause=st.sampled_from(Cause),
)
CLUSTERS = st.builds(
    Cluster,
    generation=st.integers(1, 3),
    cluster_id=_IDS,
    medoid_face_id=_IDS,
    medoid=_arrays(DIMENSION),
    exemplars=st.integers(0, 3).flatmap(lambda count: _arrays(count, DIMENSION)),
    size=st.integers(1, 10**6),
    parents=st.lists(_IDS, max_size=3).map(tuple),
)
_NUMBERS = st.integers(-(2**53), 2**53) | _REALS
GENERATIONS = st.builds(
    Generation,
    number=st.integers(1, 10),
    state=st.sampled_from(GenerationState),
    model_id=_TEXTS,
    snapshot=_TEXTS,
    parameters=st.dictionaries(_IDS, _NUMBERS | _TEXTS, max_size=3),
    counts=st.dictionaries(_IDS, _NUMBERS, max_size=3),
    timings=st.dictionaries(_IDS, _REALS, max_size=3),
    announced=st.booleans(),
    created_at=st.none() | _TIMES,
    published_at=st.none() | _TIMES,
    previous=st.integers(0, 10),
    reason=_TEXTS,
    grouping=_TEXTS,
)


def plain(record: Any) -> dict[str, Any]:
    """Return the fields of a record, arrays as shape, dtype and numbers, so that `==` compares them."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: (value.shape, str(value.dtype), value.tolist()) if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


def image(image_id: str, key: str = "a.jpg", bucket: str = "photos") -> ImageRecord:
    """Return an image of the object `<bucket>:<key>`."""
    time = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=UTC)
    return ImageRecord(image_id, f"{bucket}:{key}", bucket, key, f"etag of {image_id}", 3, time, Outcome.DETECTED)


def face(face_id: str, image_id: str, verdict: Verdict = Verdict.ACCEPTED, model_id: str = "one") -> FaceRecord:
    """Return a face whose vector is its number."""
    vector = np.full(DIMENSION, int(face_id, 16), np.float32) if verdict is Verdict.ACCEPTED else None
    box = Box(left=-3, top=4, width=50, height=60)
    return FaceRecord(face_id, image_id, "object", box, 1.5, f"crops/{face_id}.png", 30.0, verdict, vector, model_id)


def membership(generation: int, face_id: str, cluster_id: str | None = "c") -> Membership:
    """Return a membership of a face that has just arrived."""
    return Membership(generation, face_id, cluster_id, 0.8, Cause.ARRIVED)


def cluster(generation: int, cluster_id: str) -> Cluster:
    """Return a cluster without exemplars."""
    medoid, none = np.ones(DIMENSION, np.float32), np.zeros((0, DIMENSION), np.float32)
    return Cluster(generation, cluster_id, "a", medoid, none, 20)


def generation(number: int) -> Generation:
    """Return a generation that is being built."""
    return Generation(number, GenerationState.BUILDING, "one", "snapshot", {"edge": 0.7, "seed": 1})
