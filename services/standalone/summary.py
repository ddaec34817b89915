"""What a result holds, in numbers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from shared.events import Outcome, Verdict
from shared.ports import FaceRepository


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers of a result.

    `people` are the sizes of the clusters in faces, largest first; `others` counts the files that were passed over
    because their names are not those of photographs.
    """

    photos: int
    unreadable: int
    faces: dict[Verdict, int]
    people: tuple[int, ...]
    unknown: int
    others: int

    def lines(self) -> Iterator[str]:
        """Yield the numbers as lines for a person."""
        rejected = [f", {count} {verdict.value}" for verdict, count in sorted(self.faces.items()) if verdict != _GOOD]
        unreadable = f" ({self.unreadable} unreadable)" if self.unreadable else ""
        yield f"{self.photos} photographs{unreadable}: {self.faces.get(_GOOD, 0)} faces{''.join(rejected)}"
        sizes = f" of {', '.join(map(str, self.people[:20]))}" if self.people else ""
        more = ", ..." if len(self.people) > 20 else ""  # noqa: PLR2004  what fits a line
        yield f"{len(self.people)} people{sizes}{more} faces; {self.unknown} faces are of people unknown"
        if self.others:
            yield f"{self.others} files were passed over: their names are not those of photographs"


_GOOD = Verdict.ACCEPTED


def summarise(repository: FaceRepository, generation: int, others: int) -> Summary:
    """Count what the repository holds."""
    outcomes = Counter(image.outcome for image in repository.images())
    verdicts = Counter(face.verdict for face in repository.faces())
    of_people = Counter(membership.cluster_id for membership in repository.memberships(generation))
    unknown = of_people.pop(None, 0)
    return Summary(
        photos=outcomes.total(),
        unreadable=outcomes[Outcome.UNREADABLE],
        faces=dict(verdicts),
        people=tuple(sorted(of_people.values(), reverse=True)),
        unknown=unknown,
        others=others,
    )
