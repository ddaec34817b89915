"""The panels of the dashboard, row by row."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from deploy.grafana.panels import Query, heat_map, lines, number, stacked

Panels = Sequence[Builder[Panel]]

_NOW: Panels = (
    number(
        *("Photographs finished", "Photographs with an outcome, per second.", "ops"),
        "sum(rate(facestream_end_to_end_seconds_count[$__rate_interval]))",
        decimals=2,
    ),
    number(
        *("Waiting", "Records that a service has not committed yet; markers of transactions count too.", "short"),
        "sum(job:facestream_consumer_lag_records:sum)",
    ),
    number(
        *(
            "99 % finished within",
            "Seconds from the upload to the outcome, over the last hour. The objective is 60.",
            "s",
        ),
        "histogram_quantile(0.99, sum by (le) (rate(facestream_end_to_end_seconds_bucket[1h])))",
        warn_from=60,
    ),
    number(
        *("Unknown faces", "Share of the accepted faces of the last hour without a person.", "percentunit"),
        "facestream:unknown_faces:ratio_rate1h",
    ),
    number(
        *("People", "Number of people in the active generation.", "short"),
        "max(facestream_people)",
    ),
    number(
        *("Generation", "Number of the active generation that the assigners use.", "none"),
        "max(facestream_active_generation)",
        decimals=0,
    ),
    number(
        *("Dead letters", "Dead letters of the last day. The topic keeps them for 30 days.", "short"),
        "sum(increase(facestream_dead_letters_total[1d]))",
        warn_from=1,
    ),
    number(
        *("Alerts", "Number of alerts that are firing now.", "short"),
        'count(ALERTS{alertstate="firing"}) or vector(0)',
        warn_from=1,
    ),
)

_FLOW: Panels = (
    stacked(
        *("Photographs by outcome", "Outcomes of the detector per second; a replayed photograph counts again.", "ops"),
        Query('sum by (outcome) (rate(facestream_photos_total{job="detector"}[$__rate_interval]))', "{{outcome}}"),
    ),
    lines(
        *(
            "Records finished by each service",
            "Records per second. A service whose line is below that of the service before it falls behind.",
            "ops",
        ),
        Query("sum by (job) (rate(facestream_records_consumed_total[$__rate_interval]))", "{{job}}"),
    ),
    stacked(
        *("Faces by verdict", "Verdicts of the quality service per second; only accepted faces are embedded.", "ops"),
        Query('sum by (verdict) (rate(facestream_faces_total{job="quality"}[$__rate_interval]))', "{{verdict}}"),
    ),
    lines(
        *("Records written to each topic", "Records per second.", "ops"),
        Query("sum by (topic) (rate(facestream_records_produced_total[$__rate_interval]))", "{{topic}}"),
    ),
    lines(
        *(
            "Bucket notifications",
            "From the reconciler: the notification of the object store was lost. From the assigner: a crop is missing.",
            "ops",
        ),
        Query(
            "sum by (source, change) (rate(facestream_bucket_notifications_total[$__rate_interval]))",
            "{{change}}, from {{source}}",
        ),
    ),
    lines(
        *(
            "Dropped and erased",
            "Notifications dropped, by reason; erased faces of removed and replaced photographs.",
            "ops",
        ),
        Query("sum by (reason) (rate(facestream_dropped_total[$__rate_interval]))", "{{reason}}"),
        Query("sum(rate(facestream_erased_faces_total[$__rate_interval]))", "faces erased"),
    ),
)

_WAITING: Panels = (
    lines(
        *("Lag", "Records that are not read yet, without markers of transactions.", "short"),
        Query("sum by (topic) (facestream_consumer_lag_records)", "{{topic}}"),
    ),
    lines(
        *("Seconds until caught up", "Lag divided by the records per second of the last ten minutes.", "s"),
        Query("job:facestream_consumer_lag_records:sum / (job:facestream_records_consumed:rate10m > 0)", "{{job}}"),
    ),
    lines(
        *("From upload to the last event", "Seconds within which this share of photographs is finished.", "s"),
        Query(
            "histogram_quantile(0.5, sum by (le) (rate(facestream_end_to_end_seconds_bucket[$__rate_interval])))",
            "50 %",
        ),
        Query(
            "histogram_quantile(0.9, sum by (le) (rate(facestream_end_to_end_seconds_bucket[$__rate_interval])))",
            "90 %",
        ),
        Query(
            "histogram_quantile(0.99, sum by (le) (rate(facestream_end_to_end_seconds_bucket[$__rate_interval])))",
            "99 %",
        ),
    ),
    heat_map(
        *("From upload to the last event", "Number of photographs by seconds.", "s"),
        "sum by (le) (increase(facestream_end_to_end_seconds_bucket[$__rate_interval]))",
    ),
    lines(
        *(
            "Late photographs",
            "Share of photographs that took longer than a minute. The objective is 1 % over 30 days.",
            "percentunit",
        ),
        Query("facestream:late_photos:ratio_rate1h", "one hour"),
        Query("facestream:late_photos:ratio_rate6h", "six hours"),
        Query("facestream:late_photos:ratio_rate3d", "three days"),
    ),
)

_BATCHES: Panels = (
    lines(
        *(
            "Records in a batch",
            "Mean. A service with full batches is behind; with batches of one record it waits for work.",
            "short",
        ),
        Query(
            "sum by (job) (rate(facestream_batch_records_sum[$__rate_interval]))"
            " / (sum by (job) (rate(facestream_batch_records_count[$__rate_interval])) > 0)",
            "{{job}}",
        ),
    ),
    lines(
        *("Seconds of a batch", "99th percentile, from consumption to commit.", "s"),
        Query(
            "histogram_quantile(0.99, sum by (job, le) (rate(facestream_batch_seconds_bucket[$__rate_interval])))",
            "{{job}}",
        ),
    ),
    lines(
        *(
            "Busy time",
            "Mean share over the processes of a service. Near 100 % it needs more processes.",
            "percentunit",
        ),
        Query(
            "sum by (job) (rate(facestream_batch_seconds_sum[$__rate_interval]))"
            " / count by (job) (facestream_batch_seconds_sum)",
            "{{job}}",
        ),
    ),
    stacked(
        *("Time by stage", "Seconds per second in each stage of the work.", "s"),
        Query("sum by (job, stage) (rate(facestream_stage_seconds_sum[$__rate_interval]))", "{{job}}: {{stage}}"),
    ),
    lines(
        *("Memory", "Resident memory of the largest process of each service.", "bytes"),
        Query(
            'max by (job) (process_resident_memory_bytes{job=~"detector|quality|embedder|assigner|reclusterer"})',
            "{{job}}",
        ),
    ),
    lines(
        *(
            "Cores in use",
            "Processor cores that each service uses, without the child processes of the detector.",
            "short",
        ),
        Query(
            "sum by (job) (rate(process_cpu_seconds_total"
            '{job=~"detector|quality|embedder|assigner|reclusterer"}[$__rate_interval]))',
            "{{job}}",
        ),
    ),
)

_TROUBLE: Panels = (
    lines(
        *("Retried batches", "Retries per second: a server that the service needs fails.", "ops"),
        Query("sum by (job) (rate(facestream_retries_total[$__rate_interval]))", "{{job}}"),
    ),
    lines(
        *("Dead letters", "Records that can never be processed, by kind of error.", "short"),
        Query("sum by (job, error) (increase(facestream_dead_letters_total[$__rate_interval]))", "{{job}}: {{error}}"),
    ),
    lines(
        *(
            "Records that end processes",
            "Attempts that ended the process: with the record alone, or with a batch that begins with it.",
            "short",
        ),
        Query("sum by (job, begun) (increase(facestream_unfinished_total[$__rate_interval]))", "{{job}}: {{begun}}"),
        Query("sum by (job) (increase(facestream_given_up_total[$__rate_interval]))", "{{job}}: given up"),
    ),
    lines(
        *("Processes", "Number of processes whose /metrics answers.", "short"),
        Query("sum by (job) (up)", "{{job}}"),
    ),
    lines(
        *(
            "Notifications of the object store",
            "MinIO does not send a failed notification again: run the reconciler.",
            "ops",
        ),
        Query("sum(rate(minio_notify_events_sent_total[$__rate_interval]))", "sent"),
        Query("sum(rate(minio_notify_events_errors_total[$__rate_interval]))", "failed"),
    ),
    lines(
        *(
            "Bucket and database",
            "Held back: removals that an operator must confirm. Hidden: photographs that exist, but are in no listing.",
            "short",
        ),
        Query("max(facestream_reconcile_held_photographs)", "held back"),
        Query("max(facestream_reconcile_hidden_photographs)", "hidden"),
    ),
    lines(
        *("Space of the object store", "Usable bytes.", "bytes"),
        Query("sum(minio_cluster_capacity_usable_total_bytes)", "total"),
        Query("sum(minio_cluster_capacity_usable_free_bytes)", "free"),
    ),
    lines(
        *(
            "Model of the embedders",
            "With two models, vectors of the model that is not in use are compared with no person.",
            "none",
        ),
        Query(
            "count by (model_id, device, precision) (facestream_model_info{model_id!=''})",
            "{{model_id}} {{device}} {{precision}}",
        ),
    ),
)

_PEOPLE: Panels = (
    stacked(
        *("Faces assigned", "Accepted faces that arrived, per second, by assignment.", "ops"),
        Query("sum by (result) (rate(facestream_assignments_total[$__rate_interval]))", "{{result}}"),
    ),
    heat_map(
        *(
            "Similarity",
            "Inner product of each face with the nearest person; from 0.75 on the face is assigned to it.",
            "none",
        ),
        "sum by (le) (increase(facestream_similarity_bucket[$__rate_interval]))",
    ),
    lines(
        *("Unknown faces", "Share of the accepted faces.", "percentunit"),
        Query("facestream:unknown_faces:ratio_rate1h", "one hour"),
        Query("facestream:unknown_faces:ratio_rate1d", "one day"),
    ),
    lines(
        *(
            "Drift of the similarity",
            "Distance between the distributions of the last six hours and of the week before; 0.2 is large.",
            "none",
        ),
        Query("facestream:similarity:drift", "distance"),
    ),
)

_GENERATIONS: Panels = (
    lines(
        "Age of the active generation",
        "Seconds since its creation. An idle process may still report an older generation.",
        "s",
        Query("time() - max(facestream_active_generation_created_timestamp_seconds > 0)", "age"),
    ),
    lines(
        *("People and generation", "Number of people, and number of the active generation.", "none"),
        Query("max(facestream_people)", "people"),
        Query("max(facestream_active_generation)", "generation"),
    ),
    stacked(
        *("Cluster changes", "Changes of clusters by reclusterings.", "short"),
        Query("sum by (change) (increase(facestream_clusters_changed_total[$__rate_interval]))", "{{change}}"),
    ),
    lines(
        *("Reclusterings", "Number of reclusterings by outcome.", "short"),
        Query("sum by (outcome) (increase(facestream_reclusterings_total[$__rate_interval]))", "{{outcome}}"),
        Query("max(facestream_recluster_held)", "held back now"),
    ),
    stacked(
        *("Phases of the last reclustering", "Seconds of each phase.", "s"),
        Query("max by (phase) (facestream_recluster_phase_seconds)", "{{phase}}"),
    ),
    lines(
        *("Faces in the last reclustering", "Reported only by a reclusterer that runs with `--every`.", "short"),
        Query('max(facestream_recluster_faces{job="reclusterer"})', "faces"),
    ),
)

ROWS: Mapping[str, Panels] = {
    "Now": _NOW,
    "The flow": _FLOW,
    "Waiting": _WAITING,
    "Batches and processes": _BATCHES,
    "Trouble": _TROUBLE,
    "People": _PEOPLE,
    "Generations": _GENERATIONS,
}
