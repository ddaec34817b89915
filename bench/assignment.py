"""Assignment of arriving faces: recall, precision and speed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.lfw import PHOTOS, LabelledFaces, labelled_faces
from bench.synthetic import long_tail
from bench.tables import Table, without_data
from services.assigner.step import assign
from services.reclusterer.clustering.cluster_faces import cluster_faces
from services.reclusterer.settings import ReclustererSettings
from shared.domain.events import Box, EmbeddedFace, FacesEmbedded, Outcome, Photo, Point, Verdict
from shared.domain.matching import AssignerSettings
from shared.domain.person_index import People, Rule
from shared.domain.records import Cluster

_SPLITS = 5
_KNOWN = 0.75  # share of each person's photographs, and of the strangers, that is clustered; the others arrive
_CLUSTERING = ReclustererSettings(min_cluster_size=5)  # the smallest person has 10 photographs, 8 of them known
_DEFAULT = AssignerSettings()
_RULES: tuple[Rule, ...] = ("medoid", "mean")
_GRID = {
    rule: [
        AssignerSettings(rule=rule, threshold=threshold / 100, margin=margin)
        for threshold, margin in product(range(50, 90), (0.0, 0.1, 0.15, 0.2, 0.25))
    ]
    for rule in _RULES
}
_WRONG = 10  # as many missed faces are as bad as one that is assigned to a wrong person
_PEOPLE, _BATCHES, _ROUNDS = 10_000, (32, 256, 1024), 20


def measure() -> list[Table]:
    """Cluster three quarters of the faces and assign the others; and measure the speed among many people."""
    return [_quality(), _speed()]


@dataclass(frozen=True, slots=True, eq=False)
class _Arrivals:
    """n arriving faces, with the two most similar clusters of each by both rules, all arrays of shape (n,).

    `similarity` and `runner_up`: of the most similar cluster and the second one. `right`: whether most faces of the
    most similar cluster are of the face's person. `owned`: whether the person has other photographs. `people`: the
    person of each face.
    """

    similarity: dict[Rule, NDArray[np.float64]]
    runner_up: dict[Rule, NDArray[np.float64]]
    right: dict[Rule, NDArray[np.bool_]]
    owned: NDArray[np.bool_]
    people: NDArray[np.int32]

    def counts(self, settings: AssignerSettings, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of the chosen faces were assigned correctly, were assigned, and should be assigned."""
        best = self.similarity[settings.rule]
        taken = chosen & (best >= settings.threshold) & (best >= self.runner_up[settings.rule] + settings.margin)
        rightly = taken & self.right[settings.rule] & self.owned
        return np.array([rightly.sum(), taken.sum(), (chosen & self.owned).sum()])


def _arrivals(faces: LabelledFaces, split: int) -> _Arrivals:
    random = np.random.default_rng(split)
    known = np.zeros(len(faces.people), np.bool_)
    known[random.permutation(np.flatnonzero(faces.strangers))[: round(_KNOWN * int(faces.strangers.sum()))]] = True
    for person in np.unique(faces.people[~faces.strangers]):
        photos = random.permutation(np.flatnonzero(faces.people == person))
        known[photos[: round(_KNOWN * len(photos))]] = True
    clusters, owners = _clustered(faces.of(known))
    arriving = faces.of(~known)
    similarity, runner_up, right = {}, {}, {}
    for rule in _RULES:
        found = People(clusters, rule).two_nearest(arriving.vectors)
        similarity[rule], runner_up[rule] = found.similarity, found.runner_up
        right[rule] = owners[found.person] == arriving.people
    return _Arrivals(similarity, runner_up, right, ~arriving.strangers, arriving.people)


def _clustered(faces: LabelledFaces) -> tuple[list[Cluster], NDArray[np.int64]]:
    """Return the clusters, and the person with most faces in each, shape (k,)."""
    found = cluster_faces(faces.vectors, np.arange(len(faces.people), dtype=np.int32), _CLUSTERING)
    clusters, owners = [], []
    for index, medoid in enumerate(found.medoids.tolist()):
        members = faces.people[found.labels == index]
        mean = found.means[index : index + 1]
        clusters.append(
            Cluster(
                generation=1,
                cluster_id=f"{index:06}",
                medoid_face_id=str(medoid),
                medoid=faces.vectors[medoid],
                exemplars=mean,
                size=len(members),
            )
        )
        owners.append(int(np.bincount(members).argmax()))
    return clusters, np.array(owners, np.int64)


def _quality() -> Table:
    title = "assignment: arriving faces of Labeled Faces in the Wild"
    faces = labelled_faces()
    if faces is None:
        return without_data(title, PHOTOS)
    splits = [_arrivals(faces, split) for split in range(_SPLITS)]
    fixed = [
        _DEFAULT,
        AssignerSettings(rule="medoid", threshold=0.65, margin=0.2),
        AssignerSettings(rule="mean", threshold=0.75),
        AssignerSettings(rule="mean", threshold=0.65, margin=0.15),
        AssignerSettings(rule="mean", threshold=0.70, margin=0.2),
    ]
    rows: list[Sequence[str | float]] = []
    for settings in fixed:
        counts = [arrivals.counts(settings, np.ones_like(arrivals.owned)) for arrivals in splits]
        what = f"{settings.rule}, threshold {settings.threshold:g}, margin {settings.margin:g}"
        rows.append((what, *_rates(counts)))
    rows.extend((f"halves: {rule}", *_rates(_by_halves(splits, _GRID[rule]))) for rule in _RULES)
    notes = [
        f"{_SPLITS} splits: {_KNOWN:.0%} of each person's photos and of the strangers are clustered, the others arrive",
        "recall: of the faces of people with other photos; precision: of all assigned faces, including strangers",
        "halves: people judged with the threshold and margin that are best for the other half of the people, where one",
        f"wrongly assigned face counts as {_WRONG} faces that are not assigned",
    ]
    return Table(title, ("rule", "recall", "precision"), rows, notes)


def _by_halves(splits: Sequence[_Arrivals], choices: Sequence[AssignerSettings]) -> list[NDArray[np.int64]]:
    """Judge each half of the people with the settings that are best for the other half, for several random halvings."""

    def counted(settings: AssignerSettings, half: NDArray[np.bool_]) -> NDArray[np.int64]:
        counts: NDArray[np.int64] = np.sum([one.counts(settings, half[one.people]) for one in splits], axis=0)
        return counts

    judged = []
    number = 1 + max(int(one.people.max()) for one in splits)
    for seed in range(_SPLITS):
        first = np.random.default_rng(seed).permutation(number) % 2 == 0
        for half in (first, ~first):
            tried = [counted(settings, ~half) for settings in choices]
            worth = [int(rightly - _WRONG * (taken - rightly)) for rightly, taken, _ in tried]
            judged.append(counted(choices[int(np.argmax(worth))], half))
    return judged


def _rates(counts: Sequence[NDArray[np.int64]]) -> tuple[float, float]:
    rightly, taken, owned = np.sum(counts, axis=0).tolist()
    return rightly / owned, rightly / taken


def _speed() -> Table:
    """Measure the time to assign a batch of photographs with two faces each, among many clusters."""
    vectors, _ = long_tail(_PEOPLE + 2 * max(_BATCHES))
    none = np.empty((0, vectors.shape[1]), np.float32)
    clusters = [
        Cluster(generation=1, cluster_id=f"{n:06}", medoid_face_id=str(n), medoid=vector, exemplars=none, size=20)
        for n, vector in enumerate(vectors[:_PEOPLE])
    ]
    people = People(clusters)
    photos = [_photo(n, pair) for n, pair in enumerate(vectors[_PEOPLE:].reshape(-1, 2, vectors.shape[1]))]
    rows: list[Sequence[str | float]] = []
    for batch in _BATCHES:
        seconds = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            assign(photos[:batch], 1, people, _DEFAULT)
            seconds.append(time.perf_counter() - started)
        rows.append((batch, 2 * batch / median(seconds), 2 * batch / min(seconds)))
    notes = [f"{_PEOPLE:,} people, two faces on a photo; events and records are made, nothing is stored"]
    return Table("assignment: faces a second", ("photos in a batch", "median", "best"), rows, notes)


def _photo(number: int, vectors: NDArray[np.float32]) -> FacesEmbedded:
    name = f"{number:08}"
    photo = Photo(
        bucket="photos",
        key=f"{name}.jpg",
        object_id=name,
        image_id=name,
        etag=name,
        size=1,
        uploaded_at=datetime.now(UTC),
    )
    faces = tuple(
        EmbeddedFace(
            face_id=f"{name}-{index}",
            box=Box(left=index, top=0, width=10, height=10),
            score=1.0,
            landmarks=(Point(x=0, y=0),) * 5,
            crop_key=f"{name}-{index}",
            sharpness=30.0,
            verdict=Verdict.ACCEPTED,
            vector=vector,
            model_id="model",
        )
        for index, vector in enumerate(vectors)
    )
    return FacesEmbedded(photo=photo, outcome=Outcome.DETECTED, faces=faces)
