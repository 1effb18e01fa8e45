"""
### Curate: from identified originals to checked, de-identified tables

One task a stage, in their order: de-identify scans and records, crop the cells, cut sections into tiles, measure
both, find duplicates, join what is known of each cell, check across tables. A critical expectation that fails stops
the run at once, and the good tables stay as they were. A stage whose inputs did not change does nothing.

Starts when `ingest` has run. Its last stage pins the versions that passed, which starts `release`.
"""

from airflow.sdk import DAG, chain
from stage_tasks import DEFAULTS, LANDED, SNAPSHOT, stage_task

from schemas.stages import INGEST, RELEASE, STAGES

with DAG(
    dag_id="curate",
    description="De-identify, crop, tile, measure, deduplicate, join and validate what was ingested.",
    doc_md=__doc__,
    schedule=[LANDED],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["hemalake", "curated"],
):
    *first, last = (stage for stage in STAGES if stage not in (INGEST, RELEASE))
    chain(*(stage_task(stage) for stage in first), stage_task(last, outlets=[SNAPSHOT]))
