"""Every metric of the services. All of them export all metrics; what a process does not do stays at zero.

Names follow the conventions of Prometheus: base units, and `_total` for counters. The label `job`, which Prometheus
adds, names the service. `python -m docs.make_metrics` makes the reference page from these declarations.
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
    """Why a notification of a bucket is dropped."""

    OTHER_BUCKET = "other_bucket"
    OTHER_CHANGE = "other_change"  # neither written nor removed: tags or retention changed
    NO_PHOTOGRAPH = "not_a_photograph"
    STILL_THERE = "still_there"  # the notification reports that it was removed


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600)
_SIMILARITIES = tuple(round(0.05 * step, 2) for step in range(-4, 21))

CONSUMED = Counter("facestream_records_consumed_total", "Records whose processing is complete, by topic.", ["topic"])
PRODUCED = Counter(
    "facestream_records_produced_total", "Records written in committed transactions, by topic.", ["topic"]
)
BATCH_RECORDS = Histogram(
    "facestream_batch_records", "Number of records in a batch.", buckets=[2**power for power in range(14)]
)
BATCH_SECONDS = Histogram(
    "facestream_batch_seconds", "Time in seconds from the consumption of a batch to its commit.", buckets=_SECONDS
)
STAGE_SECONDS = Histogram(
    "facestream_stage_seconds",
    "Time in seconds that one kind of work takes in a batch, by stage.",
    ["stage"],
    buckets=_SECONDS,
)
END_TO_END_SECONDS = Histogram(
    "facestream_end_to_end_seconds", "Time in seconds from the upload of a photograph to its last event.", buckets=_LONG
)
LAG = Gauge(
    "facestream_consumer_lag_records",
    "Records that the service has not processed yet, without transaction markers, by topic and partition.",
    ["topic", "partition"],
)
RETRIES = Counter("facestream_retries_total", "Batches that were retried after a transient error.")
DEAD_LETTERS = Counter(
    "facestream_dead_letters_total",
    "Records that became dead letters because they cannot be processed, by class of the error.",
    ["error"],
)
UNFINISHED = Counter(
    "facestream_unfinished_total",
    "Records that an earlier process had begun when it died, by whether it had begun them alone or together.",
    ["begun"],
)
GIVEN_UP = Counter("facestream_given_up_total", "Records that were given up because every attempt ended the process.")
GIVEN_UP_AT = Gauge(
    "facestream_given_up_timestamp_seconds",
    "Unix time in seconds at which the last record was given up, 0 if there was none.",
)
BUCKET_NOTIFICATIONS = Counter(
    "facestream_bucket_notifications_total",
    "Notifications about written and removed photographs, by source and change.",
    ["source", "change"],
)
PHOTOS = Counter("facestream_photos_total", "Photographs that were processed, by outcome.", ["outcome"])
FACES = Counter(
    "facestream_faces_total",
    "Faces that were processed, by verdict; `detected` stands for faces without a verdict yet.",
    ["verdict"],
)
ASSIGNMENTS = Counter(
    "facestream_assignments_total", "Accepted faces that were compared with the known people, by result.", ["result"]
)
SIMILARITY = Histogram(
    "facestream_similarity", "Inner product of a face with the most similar person.", buckets=_SIMILARITIES
)
DROPPED = Counter(
    "facestream_dropped_total",
    "Events that were dropped because nothing follows from them, by reason.",
    ["reason"],
)
ERASED = Counter(
    "facestream_erased_faces_total", "Faces that were erased because their photographs were removed or replaced."
)
GENERATION = Gauge("facestream_active_generation", "Number of the active generation, 0 if there is none.")
GENERATION_SINCE = Gauge(
    "facestream_active_generation_timestamp_seconds",
    "Unix time in seconds at which this process first saw the active generation.",
)
GENERATION_CREATED = Gauge(
    "facestream_active_generation_created_timestamp_seconds",
    "Unix time in seconds at which the active generation was created.",
)
RECLUSTERINGS = Counter("facestream_reclusterings_total", "Reclusterings that ended, by outcome.", ["outcome"])
RECLUSTER_SECONDS = Gauge(
    "facestream_recluster_phase_seconds",
    "Duration in seconds of each phase of the last reclustering, by phase.",
    ["phase"],
)
CLUSTERED = Gauge("facestream_recluster_faces", "Number of faces in the last published reclustering.")
HELD = Gauge("facestream_recluster_held", "Whether the last reclustering is held back: 1 if it is, 0 if not.")
CLUSTERS_CHANGED = Counter(
    "facestream_clusters_changed_total", "Clusters that were announced after reclusterings, by change.", ["change"]
)
PEOPLE = Gauge("facestream_people", "Number of people in the active generation.")
RECONCILE_HELD = Gauge(
    "facestream_reconcile_held_photographs",
    "Photographs that are gone from the bucket and not announced as removed because there are too many.",
)
RECONCILE_HIDDEN = Gauge(
    "facestream_reconcile_hidden_photographs",
    "Photographs that are in the bucket although its listing does not show them.",
)
MODEL = Info(
    "facestream_model",
    "Model that embeds the faces; `model_id`, `device` and `precision` are labels, and the value is 1.",
)

# A counter that comes into being with its first event shows no increase by it: what can be named beforehand stands
# at zero from the start.
for _source in ("bucket", "reconciler", "assigner", "retry"):
    for _change in ("written", "removed"):
        BUCKET_NOTIFICATIONS.labels(_source, _change)
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
