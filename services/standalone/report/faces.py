"""Faces as the page shows them: without vectors, with a position on the map."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Verdict
from shared.domain.person_index import People
from shared.domain.records import FaceRecord, Membership

MAP_FACES = 20_000  # t-SNE of as many takes a minute; face ids are digests, so the first ones are a fair sample
MAP_SIDE = 10_000  # positions are whole numbers from 0 to this

Projection = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps vectors, shape (n, d), to points in the plane, shape (n, 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face.

    `nearest`: the person that is most similar to an unknown face; `similarity` is then the similarity to that person.
    `position`: x and y on the map, from 0 to `MAP_SIDE`; None if the face is not on the map.
    """

    face_id: str
    photo: int
    crop_key: str
    verdict: Verdict
    score: float
    sharpness: float
    similarity: float | None
    cluster_id: str | None
    nearest: str | None = None
    position: tuple[int, int] | None = None


def light_faces(
    records: Iterable[FaceRecord],
    numbers: Mapping[str, int],
    *,
    model_id: str | None,
    memberships: Mapping[str, Membership],
    people: People,
    project: Projection,
) -> list[Face]:
    """Return the faces of the page, without their vectors.

    Args:
        records: in ascending order of face id. Only the vectors for the map are kept in memory together.
        numbers: of the photographs, by image id. A face of another photograph is left out: it was removed while the
            report was made.
        model_id: the model whose vectors are compared; None: the model of the first face.
        memberships: by face id.
        people: those with which unknown faces are compared, by the rule by which faces are assigned.
        project: maps vectors to points in the plane.
    """
    faces: list[Face] = []
    mapped: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    for record in records:
        if record.image_id not in numbers:
            continue
        membership = memberships.get(record.face_id)
        cluster_id = membership.cluster_id if membership else None
        similarity = membership.similarity if membership else None
        nearest = None
        model_id = model_id or record.model_id
        if record.vector is not None and record.model_id == model_id:  # vectors of two models cannot be compared
            if cluster_id is None and len(people):
                found = people.two_nearest(record.vector[None])
                nearest, similarity = people.cluster_ids[found.person[0]], float(found.similarity[0])
            if len(vectors) < MAP_FACES:
                mapped.append(len(faces))
                vectors.append(record.vector)
        faces.append(
            Face(
                face_id=record.face_id,
                photo=numbers[record.image_id],
                crop_key=record.crop_key,
                verdict=record.verdict,
                score=record.score,
                sharpness=record.sharpness,
                similarity=similarity,
                cluster_id=cluster_id,
                nearest=nearest,
            )
        )
    if vectors:
        for index, position in zip(mapped, whole_numbers(project(np.stack(vectors))), strict=True):
            faces[index] = replace(faces[index], position=position)
    return faces


def whole_numbers(points: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Scale points, shape (n, 2), to the middle of a square of `MAP_SIDE`, with one scale for both axes."""
    if not len(points):
        return []
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    fitted = (points - (low + high) / 2) / extent * MAP_SIDE + MAP_SIDE / 2
    return [(x, y) for x, y in np.rint(fitted).astype(int).tolist()]
