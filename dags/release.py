"""
### Release: build, ask the compliance officer, publish

Builds a release candidate from the newest snapshot, with its compliance report, and waits for the officer. The request
shows the SHA-256 of exactly what would be published; the answer, either way, goes to the append-only decisions log
under the name of who gave it. Only an approved candidate whose bytes still have that hash is published.

Nobody is asked about a candidate that was decided before: the run then ends after `waiting`. A request has no time
limit and no default answer. Starts when `curate` has pinned a snapshot.
"""

import json
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import DAG, Context, Param, TriggerRule, chain
from stage_tasks import DEFAULTS, SNAPSHOT, command_task, stage_task

from schemas.stages import RELEASE

BODY = """\
{% set candidate = ti.xcom_pull(task_ids="describe") -%}
Candidate `{{ candidate.candidate }}`: {{ candidate.cells }} cells of {{ candidate.patients }} patients.

**What is signed (SHA-256):** `{{ candidate.release_sha256 }}`

Read its compliance report first: `{{ candidate.report }}`

**Approve** signs exactly these bytes and publishes them. **Reject** refuses them, and nothing is published.
Either answer is kept in the decisions log under your name.
"""
ANSWER = 'ti.xcom_pull(task_ids="approve", key="answer")'


class SignOff(ApprovalOperator):
    """Airflow's approval, which hands on the answer whichever it is; by itself it keeps a refusal from later tasks."""

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Keep the answer, then go on as an approval does: a refusal skips the next task."""
        if "error" not in event:
            kept = {name: event[name] for name in ("chosen_options", "params_input", "responded_by_user")}
            context["ti"].xcom_push(key="answer", value=kept)
        return super().execute_complete(context, event)


def undecided(candidate: dict[str, object] | None) -> bool:
    """Whether there is a candidate on which nobody has decided yet."""
    return bool(candidate) and not candidate["decision"]


with DAG(
    dag_id="release",
    description=RELEASE.does,
    doc_md=__doc__,
    schedule=[SNAPSHOT],
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["hemalake", "released"],
):
    build = stage_task(RELEASE, "build")
    describe = command_task("describe", "review --json", output_processor=json.loads)
    waiting = ShortCircuitOperator(task_id="waiting", python_callable=undecided, op_args=[describe.output])
    approve = SignOff(
        task_id="approve",
        subject="Sign the release candidate, or refuse it",
        body=BODY,
        params={"comment": Param("", type="string", description="A remark for the decisions log")},
    )
    # Skipped by a refusal, which is how `publish` knows; `record` runs either way.
    approved = EmptyOperator(task_id="approved")
    record = command_task(
        "record",
        'review "$DECISION" --officer="$OFFICER" --comment="$COMMENT" --release-sha256="$RELEASE_SHA256" --by=airflow',
        env={
            "DECISION": f'{{{{ {{"Approve": "--approve", "Reject": "--refuse"}}[{ANSWER}["chosen_options"][0]] }}}}',
            "OFFICER": f'{{{{ {ANSWER}["responded_by_user"]["name"] }}}}',
            "COMMENT": f'{{{{ {ANSWER}["params_input"]["comment"] | default("", true) }}}}',
            "RELEASE_SHA256": '{{ ti.xcom_pull(task_ids="describe")["release_sha256"] }}',
        },
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    publish = stage_task(RELEASE, "publish")
    # A run is judged by its last tasks, and a refusal skips `publish`: this one fails the run when `record` failed.
    recorded = EmptyOperator(task_id="recorded")
    chain(build, describe, waiting, approve, approved, record, [publish, recorded])
    approved >> publish
