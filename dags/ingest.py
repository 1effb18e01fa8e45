"""
### Ingest: take what the hospitals delivered

Takes every closed delivery from the landing zone, keeps the originals by content, and reads headers and records.
What cannot be read goes to quarantine with its reason; the run goes on.

Starts by the schedule in the settings (`[schedule] ingest`), by hand, or over the API. A run over an unchanged landing
zone writes nothing. Each run starts `curate`, so that work which an earlier failure left behind is taken up.
"""

from airflow.sdk import DAG
from stage_tasks import DEFAULTS, LANDED, read_settings, stage_task

from schemas.stages import INGEST

with DAG(
    dag_id="ingest",
    description=INGEST.does,
    doc_md=__doc__,
    schedule=read_settings().get("schedule", {}).get("ingest") or None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["hemalake", "restricted"],
):
    stage_task(INGEST, outlets=[LANDED])
