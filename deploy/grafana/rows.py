"""What the dashboard shows, row by row: the flow of photographs, their speed, trouble, the people."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from deploy.grafana.panels import Query, heat_map, lines, number, stacked

Panels = Sequence[Builder[Panel]]

_NOW: Panels = (
    number(
        *("Photographs through", "Photographs that reached their end, a second.", "ops"),
        "sum(rate(facestream_end_to_end_seconds_count[$__rate_interval]))",
        decimals=2,
    ),
    number(
        *("Waiting", "Records that no service has finished yet; the mark of a transaction counts.", "short"),
        "sum(job:facestream_consumer_lag_records:sum)",
    ),
    number(
        *("99 % through within", "Since the upload, over an hour. The objective is a minute.", "s"),
        "histogram_quantile(0.99, sum by (le) (rate(facestream_end_to_end_seconds_bucket[1h])))",
        warn_from=60,
    ),
    number(
        *("Unknown faces", "Share of the accepted faces of an hour that belong to nobody.", "percentunit"),
        "facestream:unknown_faces:ratio_rate1h",
    ),
    number(
        *("People", "In the active generation.", "short"),
        "max(facestream_people)",
    ),
    number(
        *("Generation", "The active one, as the assigner knows it.", "none"),
        "max(facestream_active_generation)",
        decimals=0,
    ),
    number(
        *("Dead letters", "Of the last day. They stay in their topic for 30.", "short"),
        "sum(increase(facestream_dead_letters_total[1d]))",
        warn_from=1,
    ),
    number(
        *("Alerts", "That are firing now.", "short"),
        'count(ALERTS{alertstate="firing"}) or vector(0)',
        warn_from=1,
    ),
)

_FLOW: Panels = (
    stacked(
        *("Photographs by outcome", "As the detector sees them; what is replayed counts again.", "ops"),
        Query('sum by (outcome) (rate(facestream_photos_total{job="detector"}[$__rate_interval]))', "{{outcome}}"),
    ),
    lines(
        *("Records finished by each service", "Where a line is below the one before it, work piles up there.", "ops"),
        Query("sum by (job) (rate(facestream_records_consumed_total[$__rate_interval]))", "{{job}}"),
    ),
    stacked(
        *("Faces by verdict", "Of the quality service; only accepted faces are embedded.", "ops"),
        Query('sum by (verdict) (rate(facestream_faces_total{job="quality"}[$__rate_interval]))', "{{verdict}}"),
    ),
    lines(
        *("Records written to each topic", "", "ops"),
        Query("sum by (topic) (rate(facestream_records_produced_total[$__rate_interval]))", "{{topic}}"),
    ),
    lines(
        *(
            "Notices of the bucket",
            "Said by the reconciler: the stream was not told. By the assigner: a crop is missing, detect again.",
            "ops",
        ),
        Query(
            "sum by (source, change) (rate(facestream_bucket_notifications_total[$__rate_interval]))",
            "{{change}}, said by {{source}}",
        ),
    ),
    lines(
        *("Dropped and erased", "Told twice or too late; and faces of removed or replaced photographs.", "ops"),
        Query("sum by (reason) (rate(facestream_dropped_total[$__rate_interval]))", "{{reason}}"),
        Query("sum(rate(facestream_erased_faces_total[$__rate_interval]))", "faces erased"),
    ),
)

_WAITING: Panels = (
    lines(
        *("Lag", "Records still to be read; the marks of transactions are none.", "short"),
        Query("sum by (topic) (facestream_consumer_lag_records)", "{{topic}}"),
    ),
    lines(
        *("Seconds until caught up", "Lag divided by the speed of the last ten minutes.", "s"),
        Query("job:facestream_consumer_lag_records:sum / (job:facestream_records_consumed:rate10m > 0)", "{{job}}"),
    ),
    lines(
        *("From upload to the last event", "", "s"),
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
        *("From upload to the last event", "How many photographs took how long.", "s"),
        "sum by (le) (increase(facestream_end_to_end_seconds_bucket[$__rate_interval]))",
    ),
    lines(
        *("Late photographs", "Share that took longer than a minute; agreed is 1 % over 30 days.", "percentunit"),
        Query("facestream:late_photos:ratio_rate1h", "one hour"),
        Query("facestream:late_photos:ratio_rate6h", "six hours"),
        Query("facestream:late_photos:ratio_rate3d", "three days"),
    ),
)

_BATCHES: Panels = (
    lines(
        *("Records in a batch", "Mean. At the largest size the service is behind, at one it waits for work.", "short"),
        Query(
            "sum by (job) (rate(facestream_batch_records_sum[$__rate_interval]))"
            " / (sum by (job) (rate(facestream_batch_records_count[$__rate_interval])) > 0)",
            "{{job}}",
        ),
    ),
    lines(
        *("Seconds a batch takes", "From consumed to committed, 99 % of them.", "s"),
        Query(
            "histogram_quantile(0.99, sum by (job, le) (rate(facestream_batch_seconds_bucket[$__rate_interval])))",
            "{{job}}",
        ),
    ),
    lines(
        *("Share of time at work", "Mean of the processes. Near 100 % a service needs more of them.", "percentunit"),
        Query(
            "sum by (job) (rate(facestream_batch_seconds_sum[$__rate_interval]))"
            " / count by (job) (facestream_batch_seconds_sum)",
            "{{job}}",
        ),
    ),
    stacked(
        *("What the time goes to", "Seconds of each kind of work, a second.", "s"),
        Query("sum by (job, stage) (rate(facestream_stage_seconds_sum[$__rate_interval]))", "{{job}}: {{stage}}"),
    ),
    lines(
        *("Memory", "Of the largest process of each service.", "bytes"),
        Query(
            'max by (job) (process_resident_memory_bytes{job=~"detector|quality|embedder|assigner|reclusterer"})',
            "{{job}}",
        ),
    ),
    lines(
        *("Cores in use", "Of the service's own processes; the detector's children are not counted.", "short"),
        Query(
            "sum by (job) (rate(process_cpu_seconds_total"
            '{job=~"detector|quality|embedder|assigner|reclusterer"}[$__rate_interval]))',
            "{{job}}",
        ),
    ),
)

_TROUBLE: Panels = (
    lines(
        *("Batches tried again", "Something that the service depends on fails.", "ops"),
        Query("sum by (job) (rate(facestream_retries_total[$__rate_interval]))", "{{job}}"),
    ),
    lines(
        *("Dead letters", "Records that no number of attempts can process.", "short"),
        Query("sum by (job, error) (increase(facestream_dead_letters_total[$__rate_interval]))", "{{job}}: {{error}}"),
    ),
    lines(
        *(
            "Records that end processes",
            "With which a process began, alone or as the first of several, and did not come back.",
            "short",
        ),
        Query("sum by (job, begun) (increase(facestream_unfinished_total[$__rate_interval]))", "{{job}}: {{begun}}"),
        Query("sum by (job) (increase(facestream_given_up_total[$__rate_interval]))", "{{job}}: given up"),
    ),
    lines(
        *("Processes", "That answer.", "short"),
        Query("sum by (job) (up)", "{{job}}"),
    ),
    lines(
        *(
            "Notifications of the object store",
            "What could not be sent does not come again: run the reconciler.",
            "ops",
        ),
        Query("sum(rate(minio_notify_events_sent_total[$__rate_interval]))", "sent"),
        Query("sum(rate(minio_notify_events_errors_total[$__rate_interval]))", "failed"),
    ),
    lines(
        *(
            "Bucket and database",
            "Held back: too many are gone at once to be taken for removed. Hidden: there, and in no listing.",
            "short",
        ),
        Query("max(facestream_reconcile_held_photographs)", "held back"),
        Query("max(facestream_reconcile_hidden_photographs)", "hidden"),
    ),
    lines(
        *("Space of the object store", "", "bytes"),
        Query("sum(minio_cluster_capacity_usable_total_bytes)", "all"),
        Query("sum(minio_cluster_capacity_usable_free_bytes)", "free"),
    ),
    lines(
        *(
            "The network that embeds",
            "Two lines: processes do not agree. Their vectors are compared with nobody.",
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
        *("Faces assigned", "Accepted faces that arrived, by what was said of them.", "ops"),
        Query("sum by (result) (rate(facestream_assignments_total[$__rate_interval]))", "{{result}}"),
    ),
    heat_map(
        *("Similarity", "Inner product of each face with the nearest person; from 0.75 on it is theirs.", "none"),
        "sum by (le) (increase(facestream_similarity_bucket[$__rate_interval]))",
    ),
    lines(
        *("Unknown faces", "Share of the accepted ones.", "percentunit"),
        Query("facestream:unknown_faces:ratio_rate1h", "one hour"),
        Query("facestream:unknown_faces:ratio_rate1d", "one day"),
    ),
    lines(
        *(
            "Drift of the similarity",
            "Distance of the distributions of six hours and of the week before; 0.2 is much.",
            "none",
        ),
        Query("facestream:similarity:drift", "distance"),
    ),
)

_GENERATIONS: Panels = (
    lines(
        "Age of the active generation",
        "Since it was made, as far as the processes know; one that has had no work may know an older one.",
        "s",
        Query("time() - max(facestream_active_generation_created_timestamp_seconds > 0)", "age"),
    ),
    lines(
        *("People and generation", "", "none"),
        Query("max(facestream_people)", "people"),
        Query("max(facestream_active_generation)", "generation"),
    ),
    stacked(
        *("Churn", "What regroupings made of the clusters.", "short"),
        Query("sum by (change) (increase(facestream_clusters_changed_total[$__rate_interval]))", "{{change}}"),
    ),
    lines(
        *("Regroupings", "By how they ended.", "short"),
        Query("sum by (outcome) (increase(facestream_reclusterings_total[$__rate_interval]))", "{{outcome}}"),
        Query("max(facestream_recluster_held)", "held back now"),
    ),
    stacked(
        *("Phases of the last regrouping", "", "s"),
        Query("max by (phase) (facestream_recluster_phase_seconds)", "{{phase}}"),
    ),
    lines(
        *("Faces in the last regrouping", "Told by a reclusterer that stays, not by a job that ends.", "short"),
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
