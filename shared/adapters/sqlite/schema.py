"""The tables of `SqliteRepository`, and the conversions between records and rows.

Vectors are little-endian float32, times ISO 8601 in UTC, and mappings JSON.
"""

import json
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Box, Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Lease, Membership
from shared.sqlite_file import Row

VERSION = 4

SCHEMA = """
CREATE TABLE images (
    image_id TEXT PRIMARY KEY, object_id TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL,
    size INTEGER NOT NULL, uploaded_at TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, version_id TEXT,
    sequencer TEXT, width INTEGER, height INTEGER, source TEXT NOT NULL, passing INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX images_by_key ON images (bucket, key, image_id);
CREATE INDEX images_by_object ON images (object_id, image_id);
CREATE TABLE faces (
    face_id TEXT PRIMARY KEY, image_id TEXT NOT NULL, object_id TEXT NOT NULL, box_left INTEGER NOT NULL,
    box_top INTEGER NOT NULL, box_width INTEGER NOT NULL, box_height INTEGER NOT NULL, score REAL NOT NULL,
    crop_key TEXT NOT NULL, sharpness REAL NOT NULL, verdict TEXT NOT NULL, vector BLOB, model_id TEXT
);
CREATE INDEX faces_by_image ON faces (image_id, face_id);
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, state TEXT NOT NULL, model_id TEXT NOT NULL, snapshot TEXT NOT NULL,
    parameters TEXT NOT NULL, counts TEXT NOT NULL, timings TEXT NOT NULL, announced INTEGER NOT NULL,
    created_at TEXT, published_at TEXT, previous INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    grouping TEXT NOT NULL DEFAULT '', revision INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE clusters (
    generation INTEGER, cluster_id TEXT, medoid_face_id TEXT NOT NULL, medoid BLOB NOT NULL, exemplars BLOB NOT NULL,
    size INTEGER NOT NULL, parents TEXT NOT NULL, PRIMARY KEY (generation, cluster_id)
);
CREATE TABLE memberships (
    generation INTEGER, face_id TEXT, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (generation, face_id)
) WITHOUT ROWID;
CREATE INDEX memberships_by_face ON memberships (face_id);
CREATE INDEX memberships_by_cluster ON memberships (generation, cluster_id, cause, face_id);
CREATE TABLE former_memberships (
    face_id TEXT, generation INTEGER, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (face_id, generation)
) WITHOUT ROWID;
CREATE INDEX former_memberships_by_generation ON former_memberships (generation, cluster_id);
CREATE TABLE former_clusters (
    generation INTEGER, cluster_id TEXT, parents TEXT NOT NULL, PRIMARY KEY (generation, cluster_id)
) WITHOUT ROWID;
CREATE TABLE control (name TEXT PRIMARY KEY, value INTEGER);
INSERT INTO control VALUES ('active', NULL), ('last number', 0), ('fence', 0);
CREATE TABLE pinned (number INTEGER PRIMARY KEY);
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, holder TEXT, renewals INTEGER NOT NULL,
    seconds REAL NOT NULL, expires_at TEXT NOT NULL
);
CREATE TABLE files (
    key TEXT PRIMARY KEY, stamp TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, image_id TEXT NOT NULL,
    unread_by TEXT
) WITHOUT ROWID;
CREATE INDEX files_by_size ON files (size);
CREATE INDEX files_by_etag ON files (etag);
CREATE INDEX files_by_image ON files (image_id);
"""

UPGRADES = {
    1: """
ALTER TABLE generations ADD COLUMN created_at TEXT;
ALTER TABLE generations ADD COLUMN published_at TEXT;
ALTER TABLE generations ADD COLUMN previous INTEGER NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN reason TEXT NOT NULL DEFAULT '';
INSERT INTO control VALUES ('fence', 0);
CREATE TABLE pinned (number INTEGER PRIMARY KEY);
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, holder TEXT, renewals INTEGER NOT NULL,
    seconds REAL NOT NULL, expires_at TEXT NOT NULL
);
""",
    # The files of earlier runs have no stamp: the next run reads each of them once, and recognises it by its bytes.
    2: """
CREATE TABLE files (
    key TEXT PRIMARY KEY, stamp TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, image_id TEXT NOT NULL,
    unread_by TEXT
) WITHOUT ROWID;
CREATE INDEX files_by_size ON files (size);
CREATE INDEX files_by_etag ON files (etag);
CREATE INDEX files_by_image ON files (image_id);
INSERT OR REPLACE INTO files
    SELECT key, '', size, etag, image_id, CASE outcome WHEN 'unreadable' THEN '' END FROM images ORDER BY image_id;
ALTER TABLE images ADD COLUMN passing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE generations ADD COLUMN grouping TEXT NOT NULL DEFAULT '';
ALTER TABLE generations ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX memberships_by_cluster ON memberships (generation, cluster_id, cause, face_id);
CREATE TABLE former_memberships (
    face_id TEXT, generation INTEGER, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (face_id, generation)
) WITHOUT ROWID;
CREATE INDEX former_memberships_by_generation ON former_memberships (generation, cluster_id);
CREATE TABLE former_clusters (
    generation INTEGER, cluster_id TEXT, parents TEXT NOT NULL, PRIMARY KEY (generation, cluster_id)
) WITHOUT ROWID;
""",
    # The verdicts lost their spaces and colons.
    3: """
UPDATE faces SET verdict = 'blurry' WHERE verdict = 'rejected: blurry';
UPDATE faces SET verdict = 'crop_missing' WHERE verdict = 'rejected: crop missing';
""",
}
"""What makes of a file of a version one of the next version."""


def image_row(image: ImageRecord) -> Row:
    """Return the row of an image."""
    uploaded_at = image.uploaded_at.astimezone(UTC).isoformat()
    return (
        *(image.image_id, image.object_id, image.bucket, image.key, image.etag, image.size, uploaded_at),
        *(image.outcome.value, image.reason, image.version_id, image.sequencer, image.width, image.height),
        *(image.source, int(image.passing)),
    )


def image_of(row: Row) -> ImageRecord:
    """Return the image of a row."""
    image_id, object_id, bucket, key, etag, size, uploaded_at, outcome, *rest = row
    reason, version_id, sequencer, width, height, source, passing = rest
    return ImageRecord(
        *(image_id, object_id, bucket, key, etag, size, datetime.fromisoformat(uploaded_at), Outcome(outcome)),
        *(reason, version_id, sequencer, width, height, source, bool(passing)),
    )


def face_row(face: FaceRecord) -> Row:
    """Return the row of a face."""
    box, vector = face.box, None if face.vector is None else _bytes(face.vector)
    return (
        *(face.face_id, face.image_id, face.object_id, box.left, box.top, box.width, box.height, face.score),
        *(face.crop_key, face.sharpness, face.verdict.value, vector, face.model_id),
    )


def face_of(row: Row) -> FaceRecord:
    """Return the face of a row."""
    face_id, image_id, object_id, left, top, width, height, score, crop_key, sharpness, verdict, vector, model_id = row
    return FaceRecord(
        *(face_id, image_id, object_id, Box(left=left, top=top, width=width, height=height), score, crop_key),
        *(sharpness, Verdict(verdict), None if vector is None else vector_of(vector), model_id),
    )


def membership_row(membership: Membership) -> Row:
    """Return the row of a membership."""
    return (
        *(membership.generation, membership.face_id, membership.cluster_id, membership.similarity),
        membership.cause.value,
    )


def membership_of(row: Row) -> Membership:
    """Return the membership of a row."""
    generation, face_id, cluster_id, similarity, cause = row
    return Membership(generation, face_id, cluster_id, similarity, Cause(cause))


def cluster_row(cluster: Cluster) -> Row:
    """Return the row of a cluster."""
    return (
        *(cluster.generation, cluster.cluster_id, cluster.medoid_face_id, _bytes(cluster.medoid)),
        *(_bytes(cluster.exemplars), cluster.size, json.dumps(cluster.parents)),
    )


def cluster_of(row: Row) -> Cluster:
    """Return the cluster of a row."""
    generation, cluster_id, medoid_face_id, medoid_bytes, exemplars, size, parents = row
    medoid = vector_of(medoid_bytes)
    return Cluster(
        *(generation, cluster_id, medoid_face_id, medoid, vector_of(exemplars).reshape(-1, len(medoid)), size),
        parents=tuple(json.loads(parents)),
    )


def generation_row(generation: Generation) -> Row:
    """Return the row of a generation."""
    mappings = (generation.parameters, generation.counts, generation.timings)
    return (
        *(generation.number, generation.state.value, generation.model_id, generation.snapshot),
        *(json.dumps(dict(mapping)) for mapping in mappings),
        *(int(generation.announced), _text(generation.created_at), _text(generation.published_at)),
        *(generation.previous, generation.reason, generation.grouping, generation.revision),
    )


def generation_of(row: Row) -> Generation:
    """Return the generation of a row."""
    number, state, model_id, snapshot, *rest = row
    parameters, counts, timings = map(json.loads, rest[:3])
    announced, created_at, published_at, previous, reason, grouping, revision = rest[3:]
    return Generation(
        *(number, GenerationState(state), model_id, snapshot, parameters, counts, timings),
        announced=bool(announced),
        created_at=_time(created_at),
        published_at=_time(published_at),
        previous=previous,
        reason=reason,
        grouping=grouping,
        revision=revision,
    )


def lease_row(lease: Lease) -> Row:
    """Return the one row of the lease."""
    return (1, lease.number, lease.holder, lease.renewals, lease.seconds, _text(lease.expires_at))


def lease_of(row: Row) -> Lease:
    """Return the lease of its row."""
    _, number, holder, renewals, seconds, expires_at = row
    return Lease(number, holder, renewals, seconds, datetime.fromisoformat(expires_at))


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def vector_of(data: bytes) -> NDArray[np.float32]:
    """Return the numbers in `data`: shape (n,), float32, not writable."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)


def _bytes(vector: NDArray[np.float32]) -> bytes:
    return vector.astype("<f4", copy=False).tobytes()
