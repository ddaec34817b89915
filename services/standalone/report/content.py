"""What the report says, apart from how it looks: values made from the records, without reading or writing anything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.standalone.report.faces import Face, Placer, light_faces
from services.standalone.report.histogram import Histogram, sharpness_histogram, similarity_histogram
from shared.domain.event_words import in_words
from shared.domain.events import Outcome, Verdict
from shared.domain.person_index import People, Rule
from shared.domain.records import Cluster, FaceRecord, Generation, ImageRecord, Membership

PLAIN_FACE = 100
"""Pixels: width of a face that a person would expect to be found."""


@dataclass(frozen=True, slots=True)
class Run:
    """The faces `first` to `first + count - 1` of a report."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Person:
    """A cluster: its faces, the medoid first. `photos` counts the photographs that they are on."""

    number: int
    cluster_id: str
    faces: Run
    photos: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """The faces that were refused for one reason."""

    reason: str
    faces: Run


@dataclass(frozen=True, slots=True)
class UnreadablePhoto:
    """A photograph that could not be decoded, and why."""

    key: str
    reason: str
    size: int


@dataclass(frozen=True, slots=True)
class Coarse:
    """The photographs on which faces of `PLAIN_FACE` pixels could not be found, and the largest face that could not.

    `faces_below`: width in pixels, on the photograph where it is most.
    """

    photos: int
    faces_below: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows.

    `faces` lie in the order of the page: the faces of each person, then the unknown, then the rejected ones; people,
    `unknown` and `rejections` are runs of them. `photos` are the keys of the readable photographs. `passed_over`: the
    keys of files that are no photographs, and why.
    """

    generation: Generation | None
    photos: tuple[str, ...]
    without_face: tuple[str, ...]
    unreadable: tuple[UnreadablePhoto, ...]
    passed_over: tuple[tuple[str, str], ...]
    faces: tuple[Face, ...]
    people: tuple[Person, ...]
    unknown: Run
    rejections: tuple[Rejection, ...]
    similarity: Histogram
    sharpness: Histogram
    coarse: Coarse | None = None

    @property
    def rejected(self) -> int:
        """How many faces were refused, for whatever reason."""
        return sum(rejection.faces.count for rejection in self.rejections)

    @property
    def mapped(self) -> int:
        """How many faces lie on the map."""
        return sum(face.position is not None for face in self.faces)


def build(
    images: Iterable[ImageRecord],
    faces: Iterable[FaceRecord],
    generation: Generation | None,
    clusters: Sequence[Cluster],
    memberships: Mapping[str, Membership],
    *,
    project: Placer,
    similarity_threshold: float,
    sharpness_threshold: float,
    smallest_face: Callable[[int, int], int],
    rule: Rule = "medoid",
    passed_over: Sequence[tuple[str, str]] = (),
) -> Report:
    """Arrange the records for the page.

    Args:
        images: in the order in which they are listed.
        faces: in ascending order of face id, so that the first `MAP_FACES` are a fair sample for the map.
        generation: the active one; without it all accepted faces are unknown.
        clusters: of that generation.
        memberships: of that generation, by face id; a face without one is unknown.
        project: shape (n, d) float32 to shape (n, 2): the map.
        similarity_threshold: inner product; from it on a face is assigned.
        sharpness_threshold: variance of the Laplacian; below it a face is blurry.
        smallest_face: width and height of a photograph to the width of the smallest face that can be found; pixels.
        rule: by which faces are assigned.
        passed_over: the files that are no photographs, and why.
    """
    readable: dict[str, str] = {}
    unreadable = []
    sizes = []
    for image in images:
        if image.outcome is Outcome.UNREADABLE:
            unreadable.append(UnreadablePhoto(image.key, image.reason or "no reason recorded", image.size))
        elif image.outcome is Outcome.DETECTED:
            readable[image.image_id] = image.key
            sizes.append((image.width, image.height))
    numbers = {image_id: number for number, image_id in enumerate(readable)}
    photos = tuple(readable.values())
    model_id = generation.model_id if generation else None
    known = light_faces(
        faces, numbers, model_id=model_id, memberships=memberships, people=People(clusters, rule), project=project
    )

    def by_similarity(face: Face) -> tuple[bool, float, str, str]:
        return face.similarity is None, -(face.similarity or 0.0), photos[face.photo], face.face_id

    def by_sharpness(face: Face) -> tuple[float, str, str]:
        return -face.sharpness, photos[face.photo], face.face_id

    members: dict[str, list[Face]] = defaultdict(list)
    refused: dict[Verdict, list[Face]] = defaultdict(list)
    unknown = []
    for face in known:
        if face.verdict is not Verdict.ACCEPTED:
            refused[face.verdict].append(face)
        elif face.cluster_id is None:
            unknown.append(face)
        else:
            members[face.cluster_id].append(face)

    medoids = {cluster.cluster_id: cluster.medoid_face_id for cluster in clusters}
    ordered: list[Face] = []
    people = []
    for number, (cluster_id, group) in enumerate(sorted(members.items(), key=lambda of: (-len(of[1]), of[0])), 1):
        medoid = medoids.get(cluster_id)
        run = _append(ordered, sorted(group, key=lambda face: (face.face_id != medoid, by_similarity(face))))
        people.append(Person(number, cluster_id, run, photos=len({face.photo for face in group})))
    unknown_run = _append(ordered, sorted(unknown, key=by_similarity))
    rejections = tuple(
        Rejection(in_words(verdict), _append(ordered, sorted(group, key=by_sharpness)))
        for verdict, group in sorted(refused.items())
    )
    seen = Counter(face.photo for face in known)
    medoid_faces = set(medoids.values())
    return Report(
        generation=generation,
        photos=photos,
        without_face=tuple(key for number, key in enumerate(photos) if number not in seen),
        unreadable=tuple(unreadable),
        passed_over=tuple(passed_over),
        faces=tuple(ordered),
        people=tuple(people),
        unknown=unknown_run,
        rejections=rejections,
        similarity=similarity_histogram(
            # A medoid has similarity 1 with itself, which says nothing.
            [face.similarity for group in members.values() for face in group if face.face_id not in medoid_faces],
            [face.similarity for face in unknown],
            similarity_threshold,
        ),
        sharpness=sharpness_histogram(
            [face.sharpness for face in known if face.verdict is Verdict.ACCEPTED],
            [face.sharpness for face in known if face.verdict is not Verdict.ACCEPTED],
            sharpness_threshold,
        ),
        coarse=_coarse(sizes, smallest_face),
    )


def _coarse(sizes: Iterable[tuple[int | None, int | None]], smallest_face: Callable[[int, int], int]) -> Coarse | None:
    smallest = [smallest_face(width, height) for width, height in sizes if width and height]
    unseen = [width for width in smallest if width > PLAIN_FACE]
    return Coarse(len(unseen), max(unseen)) if unseen else None


def _append(faces: list[Face], more: Sequence[Face]) -> Run:
    run = Run(len(faces), len(more))
    faces.extend(more)
    return run
