"""Runs a table's suite on a batch: the structure that its contract states, and the rules of its suite module.

A failed critical expectation raises; failed warnings are returned. Results are asked for as plain yes or no, because
anything above that quotes offending values.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from expectations.rules import Rule, Severity
from schemas.contract import Table, Zone

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class GateRefused(Exception):
    """A critical expectation failed, so nothing was committed. The text names expectations, never values."""


def rules(table: Table) -> tuple[Rule, ...]:
    """The domain rules of a table: `SUITE` in the module of its name; restricted tables have none."""
    if table.zone is Zone.RESTRICTED:
        return ()
    suite: tuple[Rule, ...] = importlib.import_module(f"expectations.{table.name}").SUITE
    return suite


def check(table: Table, frame: DataFrame) -> list[str]:
    """Validate a batch.

    Returns:
        The names of the warnings that failed, each as `table: rule`.

    Raises:
        GateRefused: a critical expectation failed.
    """
    return check_rules(table.full_name, frame, rules(table), structural(table))


def check_rules(name: str, frame: DataFrame, suite: tuple[Rule, ...], structure: list[Any] | None = None) -> list[str]:
    """Validate any frame against rules, and against expectations made beforehand; raises and returns as `check`."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from pyspark.sql import functions as F

    judged = {f"rule_{rule.name}": F.coalesce(F.expr(rule.holds), F.lit(True)) for rule in suite}
    expectations = list(structure or []) + [
        gxe.ExpectColumnValuesToBeInSet(column=f"rule_{rule.name}", value_set=[True], severity=rule.severity.value)
        for rule in suite
    ]
    images = [column for column, kind in frame.dtypes if kind == "binary"]
    batch = _batch_definition().get_batch(
        batch_parameters={"dataframe": frame.drop(*images).withColumns(judged) if judged else frame.drop(*images)}
    )
    results = batch.validate(gx.ExpectationSuite(name=name, expectations=expectations), result_format="BOOLEAN_ONLY")
    failed = [_told(result.expectation_config) for result in results.results if not result.success]
    critical = [what for what, severity in failed if severity is Severity.CRITICAL]
    if critical:
        raise GateRefused(
            f"{name}: {', '.join(critical)}. Nothing was committed and the table is as it was. "
            "The rules stand in `expectations/` and in the contract; mend the input or the stage, and run again."
        )
    return [f"{name}: {what}" for what, _ in failed]


def structural(table: Table) -> list[Any]:
    """What the contract states, as expectations: columns, not null, allowed values, ranges, unique key."""
    import great_expectations.expectations as gxe

    names = [column.name for column in table.columns if column.type != "binary"]
    found: list[Any] = [gxe.ExpectColumnToExist(column=name) for name in names]
    for column in table.columns:
        if column.type == "binary":
            continue
        if not column.nullable:
            found.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
        if column.values:
            found.append(gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.values)))
        if column.minimum is not None or column.maximum is not None:
            found.append(
                gxe.ExpectColumnValuesToBeBetween(
                    column=column.name, min_value=column.minimum, max_value=column.maximum
                )
            )
    if len(table.key) == 1:
        found.append(gxe.ExpectColumnValuesToBeUnique(column=table.key[0]))
    else:
        found.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=list(table.key)))
    return found


def _told(configuration: Any) -> tuple[str, Severity]:
    """What failed, in words without values, and how grave it is."""
    columns = configuration.kwargs.get("column") or "+".join(configuration.kwargs.get("column_list", ()))
    severity = Severity(getattr(configuration.severity, "value", configuration.severity or "critical"))
    if str(columns).startswith("rule_"):
        return str(columns).removeprefix("rule_"), severity
    return f"{configuration.type} ({columns})", severity


@cache
def _batch_definition() -> Any:
    """One ephemeral context a process; nothing of it is written to disk or sent anywhere."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_spark(name="lake").add_dataframe_asset(name="batch")
    return asset.add_batch_definition_whole_dataframe("all")
