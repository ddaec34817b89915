"""Every metric of the services, and nothing else that counts; what a process does not do stays at zero.

Names follow Prometheus: base units, `_total` for counters. Which service speaks is the scraper's `job` label.
"""

from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram, Info

from shared.domain.events import Change, Outcome, PhotoEvent, Verdict


class Drop(StrEnum):
    """Why a notice of a bucket comes to nothing."""

    OTHER_BUCKET = "other bucket"
    OTHER_CHANGE = "other change"  # neither written nor removed: tags, retention
    NO_PHOTOGRAPH = "not a photograph"
    STILL_THERE = "still there"  # said to be removed, and it is not


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600)
_SIMILARITIES = tuple(round(0.05 * step, 2) for step in range(-4, 21))

CONSUMED = Counter("facestream_records_consumed_total", "Records that are done with.", ["topic"])
PRODUCED = Counter("facestream_records_produced_total", "Records that were committed.", ["topic"])
BATCH_RECORDS = Histogram("facestream_batch_records", "Records in a batch.", buckets=[2**power for power in range(14)])
BATCH_SECONDS = Histogram("facestream_batch_seconds", "From consumed to committed.", buckets=_SECONDS)
STAGE_SECONDS = Histogram("facestream_stage_seconds", "Each kind of work in a batch.", ["stage"], buckets=_SECONDS)
END_TO_END_SECONDS = Histogram(
    "facestream_end_to_end_seconds", "From the upload of a photograph to its last event.", buckets=_LONG
)
LAG = Gauge(
    "facestream_consumer_lag_records",
    "Records still to be read; marks of transactions are none.",
    ["topic", "partition"],
)
RETRIES = Counter("facestream_retries_total", "Batches that failed for a reason that may pass.")
DEAD_LETTERS = Counter("facestream_dead_letters_total", "Records that cannot be processed.", ["error"])
UNFINISHED = Counter(
    "facestream_unfinished_total",
    "Records with which a process before this one began, alone or as the first of several, and did not come back.",
    ["begun"],
)
GIVEN_UP = Counter("facestream_given_up_total", "Records that are begun no more, since each time they ended a process.")
GIVEN_UP_AT = Gauge("facestream_given_up_timestamp_seconds", "When the last of these was given up; 0: none.")
NOTICES = Counter(
    "facestream_notices_total", "Objects said to be written or removed, by who said it.", ["source", "change"]
)
PHOTOS = Counter("facestream_photos_total", "Photographs by their outcome.", ["outcome"])
FACES = Counter("facestream_faces_total", "Faces by their verdict.", ["verdict"])
ASSIGNMENTS = Counter("facestream_assignments_total", "Accepted faces by what was said of them.", ["result"])
SIMILARITY = Histogram(
    "facestream_similarity", "Inner product of a face with the nearest person.", buckets=_SIMILARITIES
)
DROPPED = Counter(
    "facestream_dropped_total",
    "Events that came to nothing: known, outdated, or not of a change to a photograph of our bucket.",
    ["reason"],
)
ERASED = Counter("facestream_erased_faces_total", "Faces of removed and replaced photographs.")
GENERATION = Gauge("facestream_active_generation", "Number of the generation that faces are assigned in.")
GENERATION_SINCE = Gauge(
    "facestream_active_generation_timestamp_seconds", "When this process first saw the active generation."
)
GENERATION_CREATED = Gauge(
    "facestream_active_generation_created_timestamp_seconds", "When the active generation was made."
)
RECLUSTERINGS = Counter("facestream_reclusterings_total", "Regroupings by how they ended.", ["outcome"])
RECLUSTER_SECONDS = Gauge("facestream_recluster_phase_seconds", "Each phase of the last regrouping.", ["phase"])
CLUSTERED = Gauge("facestream_recluster_faces", "Faces of the last published regrouping.")
HELD = Gauge("facestream_recluster_held", "1 while the last regrouping is held back, else 0.")
CLUSTERS_CHANGED = Counter(
    "facestream_clusters_changed_total", "Clusters by what a regrouping made of them.", ["change"]
)
PEOPLE = Gauge("facestream_people", "People in the active generation.")
RECONCILE_HELD = Gauge(
    "facestream_reconcile_held_photographs", "Gone from the bucket, too many to be announced as removed; else 0."
)
RECONCILE_HIDDEN = Gauge(
    "facestream_reconcile_hidden_photographs", "In the bucket though the bucket's listing does not show them."
)
MODEL = Info("facestream_model", "The network that embeds, and what it runs on.")

# A counter that comes into being with its first event shows no increase by it: what can be named beforehand stands
# at zero from the start.
for _source in ("bucket", "reconciler", "assigner", "retry"):
    for _change in ("written", "removed"):
        NOTICES.labels(_source, _change)
for _outcome in Outcome:
    PHOTOS.labels(_outcome)
for _verdict in ("detected", *Verdict):
    FACES.labels(_verdict)
for _result in ("assigned", "unknown"):
    ASSIGNMENTS.labels(_result)
for _reason in ("duplicate", "outdated", *Drop):
    DROPPED.labels(_reason)
for _error in ("Poison", "Deadly"):
    DEAD_LETTERS.labels(_error)
for _begun in ("together", "alone"):
    UNFINISHED.labels(_begun)
for _ended in ("published", "skipped", "held", "failed"):
    RECLUSTERINGS.labels(_ended)
for _change in Change:
    CLUSTERS_CHANGED.labels(_change)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Record how long one kind of work took, failed or not."""
    started = perf_counter()
    try:
        yield
    finally:
        STAGE_SECONDS.labels(stage).observe(perf_counter() - started)


def count_photos(photos: Sequence[PhotoEvent]) -> None:
    """Count photographs, and the faces that have a verdict. Replays count again: this is work, not an inventory."""
    faces = (face for photo in photos for face in getattr(photo, "faces", ()))
    for outcome, number in Tally(photo.outcome for photo in photos).items():
        PHOTOS.labels(outcome).inc(number)
    for verdict, number in Tally(getattr(face, "verdict", "detected") for face in faces).items():
        FACES.labels(verdict).inc(number)


def observe_end_to_end(photos: Sequence[PhotoEvent]) -> None:
    """Record the age of photographs at the end of their way."""
    now = datetime.now(UTC)
    for event in photos:
        END_TO_END_SECONDS.observe(max(0.0, (now - event.photo.uploaded_at).total_seconds()))


def count_assignments(assigned: int, similarities: Sequence[float | None]) -> None:
    """Count accepted faces, one for each similarity, which is None where there was nobody; so many have a person."""
    ASSIGNMENTS.labels("assigned").inc(assigned)
    ASSIGNMENTS.labels("unknown").inc(len(similarities) - assigned)
    for similarity in similarities:
        if similarity is not None:
            SIMILARITY.observe(similarity)
