"""The guard keeps a generation that is clearly worse than the active one from becoming active."""

import numpy as np

from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.generations.snapshot import PreviousClustering
from services.reclusterer.settings import JobSettings
from shared.domain.records import Generation


def objection(generation: Generation, previous: PreviousClustering, settings: JobSettings) -> str:
    """Return why a new generation should not become active, or an empty text.

    The first generation is always accepted. A cluster may have any size if the active generation has one with such a
    share of the faces already: then the photographs are like that.
    """
    if previous.generation is None:
        return ""
    faces, assigned, largest = (int(generation.counts[name]) for name in ("faces", "assigned", "largest"))
    if assigned < (1 - settings.largest_loss) * previous.assigned_count:
        return f"{assigned} of {faces} faces have a person; in the active generation {previous.assigned_count} have"
    largest_before = int(np.bincount(previous.labels[previous.labels != UNKNOWN], minlength=1).max())
    if largest > settings.largest_cluster * faces and largest_before <= settings.largest_cluster * faces:
        return f"one cluster has {largest} of {faces} faces; the largest in the active generation has {largest_before}"
    return ""
