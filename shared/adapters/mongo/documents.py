"""The documents of `MongoRepository`, and the conversions between records and documents.

Vectors are little-endian float32. Times are ISO 8601 in UTC: a BSON date keeps milliseconds, a record microseconds.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Box, Cause, Outcome, Verdict
from shared.domain.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Lease, Membership

Document = dict[str, Any]
"""An entry of a collection; `_id` is derived from the ids of the record."""

_IMAGE = tuple(field.name for field in fields(ImageRecord))


def image_document(image: ImageRecord) -> Document:
    """Return the document of an image. It has the id twice, because an index can include `image_id`, but not `_id`."""
    uploaded_at = image.uploaded_at.astimezone(UTC).isoformat(timespec="microseconds")
    document = {name: getattr(image, name) for name in _IMAGE}  # `asdict` copies all values: 64 µs, not 1
    return document | {"_id": image.image_id, "uploaded_at": uploaded_at, "outcome": image.outcome.value}


def image_of(document: Mapping[str, Any]) -> ImageRecord:
    """Return the image of a document."""
    return ImageRecord(
        image_id=document["_id"],
        object_id=document["object_id"],
        bucket=document["bucket"],
        key=document["key"],
        etag=document["etag"],
        size=int(document["size"]),  # pymongo has a class of its own for 64 bits
        uploaded_at=datetime.fromisoformat(document["uploaded_at"]),
        outcome=Outcome(document["outcome"]),
        reason=document["reason"],
        version_id=document["version_id"],
        sequencer=document["sequencer"],
        width=document["width"],
        height=document["height"],
        source=document["source"],
        passing=document.get("passing", False),
    )


def face_document(face: FaceRecord) -> Document:
    """Return the document of a face."""
    return {
        "_id": face.face_id,
        "image_id": face.image_id,
        "object_id": face.object_id,
        "crop_key": face.crop_key,
        "detection": {"box": asdict(face.box), "score": float(face.score)},
        "quality": {"sharpness": float(face.sharpness), "verdict": face.verdict.value},
        "vector": None if face.vector is None else _bytes(face.vector),
        "model_id": face.model_id,
    }


def face_of(document: Mapping[str, Any]) -> FaceRecord:
    """Return the face of a document."""
    detection, quality, vector = document["detection"], document["quality"], document["vector"]
    return FaceRecord(
        face_id=document["_id"],
        image_id=document["image_id"],
        object_id=document["object_id"],
        box=Box(**detection["box"]),
        score=detection["score"],
        crop_key=document["crop_key"],
        sharpness=quality["sharpness"],
        verdict=Verdict(quality["verdict"]),
        vector=None if vector is None else vector_of(vector),
        model_id=document["model_id"],
    )


def membership_document(membership: Membership) -> Document:
    """Return the document of a membership."""
    similarity = None if membership.similarity is None else float(membership.similarity)
    return {
        "_id": generation_key(membership.generation, membership.face_id),
        "generation": membership.generation,
        "face_id": membership.face_id,
        "assigned": {"cluster_id": membership.cluster_id, "similarity": similarity},
        "cause": membership.cause.value,
    }


def membership_of(document: Mapping[str, Any]) -> Membership:
    """Return the membership of a document."""
    return Membership(
        generation=document["generation"],
        face_id=document["face_id"],
        cluster_id=document["assigned"]["cluster_id"],
        similarity=document["assigned"]["similarity"],
        cause=Cause(document["cause"]),
    )


def cluster_document(cluster: Cluster) -> Document:
    """Return the document of a cluster."""
    return {
        "_id": generation_key(cluster.generation, cluster.cluster_id),
        "generation": cluster.generation,
        "cluster_id": cluster.cluster_id,
        "medoid_face_id": cluster.medoid_face_id,
        "medoid": _bytes(cluster.medoid),
        "exemplars": _bytes(cluster.exemplars),
        "size": int(cluster.size),
        "parents": list(cluster.parents),
    }


def cluster_of(document: Mapping[str, Any]) -> Cluster:
    """Return the cluster of a document."""
    medoid = vector_of(document["medoid"])
    return Cluster(
        generation=document["generation"],
        cluster_id=document["cluster_id"],
        medoid_face_id=document["medoid_face_id"],
        medoid=medoid,
        exemplars=vector_of(document["exemplars"]).reshape(-1, len(medoid)),
        size=document["size"],
        parents=tuple(document["parents"]),
    )


def former_cluster(document: Mapping[str, Any]) -> Document:
    """Return what is kept of a removed cluster's document: its parents."""
    return {name: document[name] for name in ("_id", "generation", "cluster_id", "parents")}


def in_cluster(generation: int, cluster_id: str, cause: Cause) -> Document:
    """Return the condition for the memberships in a cluster for a cause."""
    return {"generation": generation, "assigned.cluster_id": cluster_id, "cause": cause.value}


def generation_document(generation: Generation) -> Document:
    """Return the document of a generation, without its revision, which is only ever counted up."""
    return {
        "_id": generation.number,
        "state": generation.state.value,
        "model_id": generation.model_id,
        "snapshot": generation.snapshot,
        "parameters": dict(generation.parameters),
        "counts": dict(generation.counts),
        "timings": dict(generation.timings),
        "announced": generation.announced,
        "created_at": _text(generation.created_at),
        "published_at": _text(generation.published_at),
        "previous": generation.previous,
        "reason": generation.reason,
        "grouping": generation.grouping,
    }


def generation_of(document: Mapping[str, Any]) -> Generation:
    """Return the generation of a document."""
    return Generation(
        number=document["_id"],
        state=GenerationState(document["state"]),
        model_id=document["model_id"],
        snapshot=document["snapshot"],
        parameters=document["parameters"],
        counts=document["counts"],
        timings=document["timings"],
        announced=bool(document["announced"]),
        created_at=_time(document.get("created_at")),  # what earlier versions wrote has none of these
        published_at=_time(document.get("published_at")),
        previous=document.get("previous", 0),
        reason=document.get("reason", ""),
        grouping=document.get("grouping", ""),
        revision=int(document.get("revision", 0)),
    )


def lease_document(lease: Lease) -> Document:
    """Return the document of the lease, which is one of `control`."""
    return {
        "_id": "lease",
        "number": lease.number,
        "holder": lease.holder,
        "renewals": lease.renewals,
        "seconds": float(lease.seconds),
        "expires_at": _text(lease.expires_at),
    }


def lease_of(document: Mapping[str, Any]) -> Lease:
    """Return the lease of its document."""
    expires_at = datetime.fromisoformat(document["expires_at"])
    return Lease(document["number"], document["holder"], document["renewals"], document["seconds"], expires_at)


def generation_key(generation: int, name: str) -> str:
    """Return the `_id` of something that belongs to a generation."""
    return f"{generation}:{name}"


def of_generation(generation: int, after: str = "") -> Document:
    """Return the condition for documents of a generation with a name after `after`; `;` is the character after `:`."""
    return {"_id": {"$gt": generation_key(generation, after), "$lt": f"{generation};"}}


def vector_of(data: bytes) -> NDArray[np.float32]:
    """Return the numbers in `data`: shape (n,), float32, not writable."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _bytes(vector: NDArray[np.float32]) -> bytes:
    return vector.astype("<f4", copy=False).tobytes()
