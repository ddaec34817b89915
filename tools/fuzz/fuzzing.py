"""Mutated photographs through the detector's pool. Each must have an outcome; only processes of the pool may die."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.detector.types import PhotoDetections
from shared.errors import Undecoded, Unreadable
from shared.model_files import LANDMARKS, located
from tools.fuzz.mutations import mutated
from tools.fuzz.seeds import seeds

_TIMEOUT = 60.0  # seconds for a photograph
_MEGAPIXELS = 20.0  # a limit, so that a large size in a header does not make the run long
_MEMORY = 768 << 20  # bytes; enough for 20 megapixels in every format
_NUMBERS = re.compile(r"[\d.,]+(?= (megapixels|bytes))")


@dataclass(frozen=True)
class Case:
    """A mutated photograph: its number in the run, its format, the mutation and its bytes."""

    number: int
    kind: str
    mutation: str
    data: bytes


@dataclass
class Report:
    """The number of photographs by format and outcome. `lost`: those that ended their process or took too long."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: list[tuple[Case, str]] = field(default_factory=list)

    def add(self, case: Case, outcome: PhotoDetections | Unreadable) -> None:
        """Count an outcome."""
        if isinstance(outcome, PhotoDetections):
            self.counts[case.kind, "read"] += 1
            return
        reason = str(outcome)
        self.counts[case.kind, _NUMBERS.sub("N", reason)] += 1
        if isinstance(outcome, Undecoded):
            self.lost.append((case, reason))

    def lines(self) -> Iterator[str]:
        """Yield a table, by format and reason."""
        for (kind, reason), count in sorted(self.counts.items()):
            yield f"{kind:18s} {count:6,d}  {reason}"
        yield f"{'all':18s} {sum(self.counts.values()):6,d}"


def cases(count: int, seed: int) -> Iterator[Case]:
    """Yield `count` mutated photographs, the formats in turn; equal seeds give equal photographs."""
    sound = sorted(seeds().items())
    random_ = random.Random(seed)  # noqa: S311  repeatable, no secret
    for number in range(count):
        kind, files = sound[number % len(sound)]
        yield Case(number, kind, *mutated(random_.choice(files), random_))


def fuzz(count: int, seed: int, processes: int) -> Report:
    """Detect faces on `count` mutated photographs, and return the outcomes."""
    detector = PhotoDetector(located(LANDMARKS), DetectorSettings(max_megapixels=_MEGAPIXELS, memory=_MEMORY))
    report = Report()
    with PhotoPool(processes, _TIMEOUT, detector.load, _MEMORY) as pool:
        work = _Work(detector)
        for case, outcome in pool.each(work, cases(count, seed), Unreadable):
            report.add(case, outcome)
    return report


@dataclass(frozen=True)
class _Work:
    detector: PhotoDetector

    def __call__(self, case: Case) -> PhotoDetections:
        return self.detector.detect(case.data)
