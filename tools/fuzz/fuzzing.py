"""Mutated photographs through the real pool: each must end as an outcome, and no process beyond the pool may die."""

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
_MEGAPIXELS = 20.0  # so that a number in a header does not make the run long
_MEMORY = 768 << 20  # bytes; enough for so many megapixels of every kind
_NUMBERS = re.compile(r"[\d.,]+(?= (megapixels|bytes))")


@dataclass(frozen=True)
class Case:
    """A mutated photograph: its format, what was done to it, and its number in the run."""

    number: int
    kind: str
    mutation: str
    data: bytes


@dataclass
class Report:
    """How many photographs of each format ended how; `lost` ended their process, or took too long."""

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
    """Yield mutated photographs, the formats in turn; the same for the same seed."""
    sound = sorted(seeds().items())
    random_ = random.Random(seed)  # noqa: S311  to be repeated, not to be secret
    for number in range(count):
        kind, files = sound[number % len(sound)]
        yield Case(number, kind, *mutated(random_.choice(files), random_))


def fuzz(count: int, seed: int, processes: int) -> Report:
    """Give so many mutated photographs to the detector; raises whatever ends it."""
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
