"""Faces as the page shows them: without vectors, with a place on the map."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Verdict
from shared.domain.person_index import People
from shared.domain.records import FaceRecord, Membership

MAP_FACES = 20_000  # t-SNE of as many takes a minute; face ids are digests, so the first ones are a fair sample
MAP_SIDE = 10_000  # positions are whole numbers from 0 to this

Placer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    `nearest` is the person that an unknown face is likest to, `similarity` then how much. `position` is where the face
    lies on the map, x and y from 0 to `MAP_SIDE`; None if it is not on it.
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
    project: Placer,
) -> list[Face]:
    """Make what the page shows of faces; the vectors stay behind.

    Args:
        records: in ascending order of face id. Only the vectors for the map are ever held together.
        numbers: of the photographs, by image id; faces of others were removed while the report was made.
        model_id: whose vectors are compared; None takes the model of the first face.
        memberships: by face id.
        people: with whom unknown faces are compared, by the rule by which faces are assigned.
        project: shape (n, d) float32 to shape (n, 2): the map.
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
        if record.vector is not None and record.model_id == model_id:  # vectors of two models have no common space
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


def whole_numbers(places: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Fit places, shape (n, 2), into the middle of a square of `MAP_SIDE`, with one scale for both axes."""
    if not len(places):
        return []
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max()) or 1.0
    fitted = (places - (low + high) / 2) / extent * MAP_SIDE + MAP_SIDE / 2
    return [(x, y) for x, y in np.rint(fitted).astype(int).tolist()]
