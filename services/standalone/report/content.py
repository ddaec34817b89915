"""The contents of the report, without its looks: values computed from records, without reading or writing anything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.standalone.report.faces import Face, Projection, light_faces
from services.standalone.report.histogram import Histogram, sharpness_histogram, similarity_histogram
from shared.domain.event_words import in_words
from shared.domain.events import Outcome, Verdict
from shared.domain.person_index import People, Rule
from shared.domain.records import Cluster, FaceRecord, Generation, ImageRecord, Membership

PLAIN_FACE = 100
"""Width in pixels of a face that a person expects to be found."""


@dataclass(frozen=True, slots=True)
class Run:
    """The faces from number `first` to `first + count - 1` of a report."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Person:
    """A cluster: its faces, with the medoid first, and the number of photographs that they are on."""

    number: int
    cluster_id: str
    faces: Run
    photos: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """The faces that were rejected for one reason."""

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
    """The photographs on which faces of `PLAIN_FACE` pixels cannot be found, because they were scaled down.

    `photos`: their number. `faces_below`: on the one that was scaled down most, faces of a smaller width in pixels than
    this cannot be found.
    """

    photos: int
    faces_below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page shows.

    `faces` are in the order of the page: the faces of each person, then the unknown faces, then the rejected ones;
    `people`, `unknown` and `rejections` refer to runs of them. `photos`: the keys of the readable photographs.
    `passed_over`: keys of files that are no photographs, and why.
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
        """The number of rejected faces, of all reasons together."""
        return sum(rejection.faces.count for rejection in self.rejections)

    @property
    def mapped(self) -> int:
        """The number of faces on the map."""
        return sum(face.position is not None for face in self.faces)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """The values that a report shows beside its records.

    `faces_bucket`: bucket of the crops. `similarity_threshold`: inner product from which on a face is assigned.
    `sharpness_threshold`: variance of the Laplacian below which a face is blurry. `rule`: by which faces are assigned.
    `seed`: of the map.
    """

    faces_bucket: str
    similarity_threshold: float
    sharpness_threshold: float
    rule: Rule = "medoid"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecords:
    """The records that a report is made from.

    `images`: in the order in which the page lists them. `faces`: in ascending order of face id, so that the first
    `MAP_FACES` are a fair sample for the map. `generation`: the active one; without it all accepted faces are unknown.
    `clusters`: of that generation. `memberships`: of that generation, by face id; a face without one is unknown.
    `passed_over`: keys of the files that are no photographs, and why.
    """

    images: Iterable[ImageRecord]
    faces: Iterable[FaceRecord]
    generation: Generation | None
    clusters: Sequence[Cluster] = ()
    memberships: Mapping[str, Membership] = field(default_factory=dict)
    passed_over: Sequence[tuple[str, str]] = ()


def build(
    records: ReportRecords,
    settings: ReportSettings,
    *,
    project: Projection,
    smallest_face: Callable[[int, int], int],
) -> Report:
    """Arrange records for the page.

    Args:
        records: of the photographs, faces and people.
        settings: the thresholds that the page shows.
        project: maps vectors, shape (n, d) float32, to points in the plane, shape (n, 2) float32.
        smallest_face: returns the width of the smallest face that can be found on a photograph of a width and height;
            all in pixels.
    """
    generation, clusters, memberships = records.generation, records.clusters, records.memberships
    readable: dict[str, str] = {}
    unreadable = []
    sizes = []
    for image in records.images:
        if image.outcome is Outcome.UNREADABLE:
            unreadable.append(UnreadablePhoto(image.key, image.reason or "no reason recorded", image.size))
        elif image.outcome is Outcome.DETECTED:
            readable[image.image_id] = image.key
            sizes.append((image.width, image.height))
    numbers = {image_id: number for number, image_id in enumerate(readable)}
    photos = tuple(readable.values())
    model_id = generation.model_id if generation else None
    known = light_faces(
        records.faces,
        numbers,
        model_id=model_id,
        memberships=memberships,
        people=People(clusters, settings.rule),
        project=project,
    )

    def by_similarity(face: Face) -> tuple[bool, float, str, str]:
        return face.similarity is None, -(face.similarity or 0.0), photos[face.photo], face.face_id

    def by_sharpness(face: Face) -> tuple[float, str, str]:
        return -face.sharpness, photos[face.photo], face.face_id

    members: dict[str, list[Face]] = defaultdict(list)
    rejected: dict[Verdict, list[Face]] = defaultdict(list)
    unknown = []
    for face in known:
        if face.verdict is not Verdict.ACCEPTED:
            rejected[face.verdict].append(face)
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
        for verdict, group in sorted(rejected.items())
    )
    seen = Counter(face.photo for face in known)
    medoid_faces = set(medoids.values())
    return Report(
        generation=generation,
        photos=photos,
        without_face=tuple(key for number, key in enumerate(photos) if number not in seen),
        unreadable=tuple(unreadable),
        passed_over=tuple(records.passed_over),
        faces=tuple(ordered),
        people=tuple(people),
        unknown=unknown_run,
        rejections=rejections,
        similarity=similarity_histogram(
            # A medoid has similarity 1 with itself, which is no information.
            [face.similarity for group in members.values() for face in group if face.face_id not in medoid_faces],
            [face.similarity for face in unknown],
            settings.similarity_threshold,
        ),
        sharpness=sharpness_histogram(
            [face.sharpness for face in known if face.verdict is Verdict.ACCEPTED],
            [face.sharpness for face in known if face.verdict is not Verdict.ACCEPTED],
            settings.sharpness_threshold,
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
