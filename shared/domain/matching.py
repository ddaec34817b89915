"""Match faces with people, for faces that arrive and for those that arrived during a reclustering.

Two faces of one photograph are never the same person, so the faces of a photograph compete.
"""

from collections.abc import Container, Iterator, Sequence
from itertools import compress
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.domain.person_index import SIMILARITY_DECIMALS, Nearest, People, Rule
from shared.settings import Settings, Unit


class AssignerSettings(Settings):
    """Assignment of faces to people.

    The assigner uses them for the faces that arrive, and the reclusterer for faces that arrived during a reclustering.
    """

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_ASSIGNER_")

    rule: Annotated[
        Rule, Field(description="Vector that represents a person: the person's medoid, or the mean of the faces.")
    ] = "medoid"
    threshold: Annotated[
        float,
        Unit("inner product"),
        Field(ge=-1, le=1, description="Smallest inner product with a person at which a face is assigned to it."),
    ] = 0.75
    margin: Annotated[
        float,
        Unit("inner product"),
        Field(
            ge=0,
            le=2,
            description="Smallest difference between the inner products with the most similar person and with the"
            " second. With a smaller difference, a face stays unknown.",
        ),
    ] = 0.0


class Match(NamedTuple):
    """The person of a face (None: unknown), and its similarity with that person or else with the nearest one."""

    person: int | None
    similarity: float | None


def matches(
    vectors: Sequence[Sequence[NDArray[np.float32]]],
    people: People,
    settings: AssignerSettings,
    nearest: Nearest | None = None,
) -> Iterator[Sequence[Match]]:
    """Yield the matches of the faces of each photograph, their vectors given: shape (d,), float32, unit length.

    `nearest`: the result of the search for all these faces, if it was done before.
    """
    every = [vector for of_photo in vectors for vector in of_photo]
    if not every or not len(people):
        yield from ([Match(None, None)] * len(of_photo) for of_photo in vectors)
        return
    found = nearest or people.two_nearest(np.stack(every))
    near = found.similarity >= settings.threshold
    sure = near & _is_clear(found.similarity, found.runner_up, settings.margin)
    persons, similarities = found.person.tolist(), found.similarity.tolist()
    clear, unclear = sure.tolist(), (near & ~sure).tolist()
    stop = 0
    for of_photo in vectors:
        start, stop = stop, stop + len(of_photo)
        taken = list(compress(persons[start:stop], clear[start:stop]))
        # If a photograph has one face, no other face competes for its person.
        if len(of_photo) > 1 and (len(set(taken)) < len(taken) or any(unclear[start:stop])):
            yield competition(np.stack([people.similarities(vector) for vector in of_photo]), settings)
        else:
            of_faces = zip(persons[start:stop], similarities[start:stop], clear[start:stop], strict=True)
            yield [Match(person if is_clear else None, similarity) for person, similarity, is_clear in of_faces]


def matches_beside(
    vectors: Sequence[NDArray[np.float32]], people: People, taken: Container[str | None], settings: AssignerSettings
) -> Sequence[Match]:
    """Match faces of one photograph with people, without those in `taken`: people of other faces on it."""
    if not vectors or not len(people):
        return [Match(None, None)] * len(vectors)
    similarities = np.stack([people.similarities(vector) for vector in vectors])
    similarities[:, [cluster_id in taken for cluster_id in people.cluster_ids]] = -np.inf
    found = competition(similarities, settings)
    return [match if match.similarity != -np.inf else Match(None, None) for match in found]


def _is_clear(best: NDArray[np.float64], second: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    clear: NDArray[np.bool_] = best >= np.round(second + margin, SIMILARITY_DECIMALS)
    return clear


def competition(similarities: NDArray[np.float64], settings: AssignerSettings) -> list[Match]:
    """Match faces and people one to one, the most similar pair first.

    `similarities`: shape (faces, people). A face takes part while its nearest remaining person reaches the threshold,
    and is nearer than the second remaining one by the margin. Of equal pairs, the one of the first face and then of
    the first person wins.
    """
    found = [Match(None, similarity) for similarity in similarities.max(axis=1).tolist()]
    faces = np.arange(len(similarities))
    left = similarities.copy()
    while True:
        persons = left.argmax(axis=1)
        best = left[faces, persons]
        others = left.copy()
        others[faces, persons] = -np.inf
        able = (best >= settings.threshold) & _is_clear(best, others.max(axis=1), settings.margin)
        if not able.any():
            return found
        face = int(np.where(able, best, -np.inf).argmax())
        found[face] = Match(int(persons[face]), float(best[face]))
        left[face, :] = -np.inf
        left[:, persons[face]] = -np.inf
