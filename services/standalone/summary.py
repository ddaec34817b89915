"""The summary of a run, in sentences for the person who started it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.reclusterer.step import NOTHING_CHANGED
from services.standalone.library.changes import folder_of
from shared.domain.event_words import in_words
from shared.domain.events import Cause, Outcome, Verdict
from shared.domain.records import Generation
from shared.photos.photo_names import Reason, passed_over_in_words
from shared.ports.repository import FaceRepository

_SHOWN = 20  # people whose sizes fit a line
_EXAMPLES = 3  # names that fit a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes that a run made in the library.

    `renamed`, `forgotten`, `left_out` (passed over now): numbers of photographs. `copies`: number of files with the
    bytes of another one. `away`: keys of photographs that are missing and kept. `refused`: why files cannot be read
    now, by key. `spoilt`: why known photographs can no longer be decoded, by key, if they are so many that they are
    kept. `passed_over`: numbers of files that are no photographs, by the reason. `not_reclustered`: why the faces were
    not grouped again, although a person asked for it.
    """

    renamed: int = 0
    forgotten: int = 0
    left_out: int = 0
    copies: int = 0
    away: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    spoilt: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[Reason, int] = field(default_factory=dict)
    not_reclustered: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of a result.

    `people`: the sizes of the clusters in faces, largest first. `late`: number of unknown faces that were added after
    the last reclustering. `min_cluster_size`: smallest number of faces of a person.
    """

    photos: int
    unreadable: int
    faces: Mapping[Verdict, int]
    people: tuple[int, ...]
    unknown: int
    late: int
    min_cluster_size: int
    changes: Changes

    def lines(self) -> Iterator[str]:
        """Yield sentences on what was found, what was passed over or kept, and what can be done next."""
        yield self._photos()
        if self.photos:
            yield self._people()
        yield from self._files()
        yield from self._next()

    def _photos(self) -> str:
        if not self.photos:
            return "There is no photograph in this folder."
        unreadable = f" ({self.unreadable} unreadable)" if self.unreadable else ""
        refused = {verdict: count for verdict, count in sorted(self.faces.items()) if verdict != _GOOD}
        rejected = [f", {count} rejected: {in_words(verdict)}" for verdict, count in refused.items()]
        return f"{_count(self.photos, 'photograph')}{unreadable}: {_count(self._good, 'face')}{''.join(rejected)}"

    def _people(self) -> str:
        if not sum(self.faces.values()):
            return f"No face was found on {'it' if self.photos == 1 else 'them'}."
        if not self.people:
            return f"No people yet: no {self.min_cluster_size} faces are alike enough to be one person."
        more = ", ..." if len(self.people) > _SHOWN else ""
        sizes = ", ".join(map(str, self.people[:_SHOWN]))
        noun = "person" if len(self.people) == 1 else "people"
        unknown = f"{self.unknown} {'face is' if self.unknown == 1 else 'faces are'} of people unknown"
        return f"{len(self.people)} {noun} of {sizes}{more} faces; {unknown}"

    def _files(self) -> Iterator[str]:
        done = self.changes
        if done.renamed:
            yield f"{_count(done.renamed, 'photograph')} renamed or moved: faces and people are kept."
        if done.copies:
            yield f"{_count(done.copies, 'file')} with the bytes of another photograph: counted once."
        if done.forgotten:
            yield f"{_count(done.forgotten, 'photograph')} deleted since the last run: forgotten, and the faces too."
        if done.left_out:
            yield f"{_count(done.left_out, 'photograph')} passed over since the last run: forgotten, and the faces too."
        if done.away:
            photos = _count(len(done.away), "photograph")
            yield (
                f"{photos} missing, and kept with all that is known ({_where(done.away)})."
                " A whole folder, or a large part of all, is missing at once: is a disk or share away?"
                " If they were deleted, run again with --forget-missing."
            )
        if done.refused:
            key, reason = min(done.refused.items())
            files = _count(len(done.refused), "file")
            yield f"{files} cannot be read now ({key}: {reason}); what is known is kept, and the next run tries again."
        if done.spoilt:
            key, reason = min(done.spoilt.items())
            photos = _count(len(done.spoilt), "photograph")
            yield (
                f"{photos} of earlier runs can no longer be decoded ({key}: {reason}). A person hardly damages so many"
                " at once: is a disk failing, or a copy not finished? What is known of them is kept."
            )
        if done.passed_over:
            yield f"{passed_over_in_words(done.passed_over)}; the report names them."

    def _next(self) -> Iterator[str]:
        if self.changes.not_reclustered:
            same = "; the people would be the same" if self.changes.not_reclustered == NOTHING_CHANGED else ""
            yield f"The faces were not grouped again: {self.changes.not_reclustered}{same}."
        elif self.late >= self.min_cluster_size:
            yield f"{self.late} unknown faces came after the last reclustering; --recluster groups all faces again."
        elif self._good and not self.people:
            yield "Add photographs, or lower --min-cluster-size and use --recluster."
        if self.unreadable:
            yield "The report names the reason for each unreadable photograph."

    @property
    def _good(self) -> int:
        return self.faces.get(_GOOD, 0)


_GOOD = Verdict.ACCEPTED


def summarise(repository: FaceRepository, generation: Generation, min_cluster_size: int, changes: Changes) -> Summary:
    """Count the photographs, faces and people in the repository."""
    outcomes = Counter(image.outcome for image in repository.images())
    verdicts = Counter(face.verdict for face in repository.faces())
    of_people: Counter[str | None] = Counter()
    late = 0
    for membership in repository.memberships(generation.number):
        of_people[membership.cluster_id] += 1
        late += membership.cluster_id is None and membership.cause is Cause.ARRIVED
    unknown = of_people.pop(None, 0)
    return Summary(
        photos=outcomes.total(),
        unreadable=outcomes[Outcome.UNREADABLE],
        faces=dict(verdicts),
        people=tuple(sorted(of_people.values(), reverse=True)),
        unknown=unknown,
        late=late,
        min_cluster_size=min_cluster_size,
        changes=changes,
    )


def _where(keys: Sequence[str]) -> str:
    """Return the folders with most of these keys, each with its number of keys."""
    folders = Counter(folder_of(key) or "." for key in keys)
    shown = ", ".join(f"{folder}: {count}" for folder, count in folders.most_common(_EXAMPLES))
    return f"{shown}, ..." if len(folders) > _EXAMPLES else shown


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
