"""The guard: a generation that is clearly worse than the active one is held back for a person to look at."""

import numpy as np

from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.generations.snapshot import Standing
from services.reclusterer.settings import JobSettings
from shared.domain.records import Generation


def objection(generation: Generation, before: Standing, settings: JobSettings) -> str:
    """Return why a generation should not take the place of the active one, or an empty text.

    Before the first generation there is nothing that could be worse. A cluster may be as large as it likes if the
    active generation has one of such a share already: that is what these photographs are of.
    """
    if before.generation is None:
        return ""
    faces, assigned, largest = (int(generation.counts[name]) for name in ("faces", "assigned", "largest"))
    if assigned < (1 - settings.largest_loss) * before.known:
        return f"{assigned} of {faces} faces have a person, before it were {before.known}"
    largest_before = int(np.bincount(before.labels[before.labels != UNKNOWN], minlength=1).max())
    if largest > settings.largest_cluster * faces and largest_before <= settings.largest_cluster * faces:
        return f"one cluster has {largest} of {faces} faces, before it were at most {largest_before}"
    return ""
