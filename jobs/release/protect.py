"""Make the quasi-identifiers of a snapshot's samples general enough, and say what that took.

The distinct combinations of each patient come to the driver, which decides; the cells stay with the executors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.release.anonymity import (
    Generalised,
    Profile,
    Values,
    blank,
    combinations,
    generalise,
    measure,
    profiles,
    unique_share,
)
from jobs.release.ladders import LADDERS
from schemas.contract import Privacy
from schemas.released_cells import RELEASED_CELLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLUMNS = tuple(LADDERS)
RUNGS = tuple(LADDERS.values())
SENSITIVE = COLUMNS.index("diagnosis")
MEASURED = tuple(column.name for column in RELEASED_CELLS.columns if column.privacy is Privacy.SENSITIVE)
"""Laboratory values and other facts as measured, which lie outside k."""


@dataclass(frozen=True)
class Protection:
    """What is done to a snapshot's samples so that enough patients look alike."""

    combinations: list[tuple[str, Values, Values]]
    """Patient, combination as recorded and combination as released."""
    told: dict[str, Any]
    """What the candidate's record says of it; see `_told`."""


def protect(samples: DataFrame, k: int) -> Protection:
    """Decide what to generalise and to withhold in samples, so that at least k patients share each profile."""
    rows = samples.select("patient_key", *COLUMNS, *MEASURED).distinct().collect()
    patients = profiles((row["patient_key"], tuple(row[name] for name in COLUMNS)) for row in rows)
    measured = profiles((row["patient_key"], tuple(row[name] for name in MEASURED)) for row in rows)
    found = generalise(patients, RUNGS, k)
    return Protection(list(combinations(patients, RUNGS, found)), _told(patients, found, k, unique_share(measured)))


def applied(samples: DataFrame, protection: Protection) -> DataFrame:
    """The samples with the combinations that are released; what the protection does not know has no value."""
    from pyspark.sql import functions as F

    kind = f"struct<{', '.join(f'{name}:string' for name in COLUMNS)}>"
    rows = samples.sparkSession.createDataFrame(protection.combinations, f"whose string, was {kind}, now {kind}")
    same = (F.col("patient_key") == F.col("whose")) & F.struct(*COLUMNS).eqNullSafe(F.col("was"))
    joined = samples.join(F.broadcast(rows), same, "left")
    return joined.withColumns({name: F.col(f"now.{name}") for name in COLUMNS}).select(*samples.columns)


def alike(cells: DataFrame) -> DataFrame:
    """patient_key and `patients_alike`, how many patients have the same profile; counted anew for the gate."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    known = cells.groupBy("patient_key").agg(F.sort_array(F.collect_set(F.struct(*COLUMNS))).alias("profile"))
    shared = F.count(F.lit(1)).over(Window.partitionBy("profile")).cast("int")
    return known.select("patient_key", shared.alias("patients_alike"))


def _told(patients: dict[str, Profile], found: Generalised, k: int, unique: float) -> dict[str, Any]:
    """Asked k, columns, measures before and after, the order of steps, patients by rung, suppressed, unique share."""
    after = {who: found.profiles[profile] for who, profile in patients.items()}
    taken = [0] * len(COLUMNS)
    order = []
    for column in found.order:
        order.append(f"{COLUMNS[column]}: {RUNGS[column].rungs[taken[column]][0]}")
        taken[column] += 1
    return {
        "asked": k,
        "columns": list(COLUMNS),
        "before": asdict(measure(patients, k, SENSITIVE)),
        "after": asdict(measure(after, k, SENSITIVE)),
        "order": order,
        "reached": _reached(patients, found),
        "suppressed": sum(blank(after[who]) and not blank(profile) for who, profile in patients.items()),
        "measured": list(MEASURED),
        "unique_by_measured": round(unique, 4),
    }


def _reached(patients: dict[str, Profile], found: Generalised) -> dict[str, dict[str, int]]:
    """Column to rung to patients who have a value there, as recorded or made more general."""
    reached = {}
    for place, (name, ladder) in enumerate(LADDERS.items()):
        rungs = ["as recorded", *(said for said, _ in ladder.rungs)]
        levels = Counter(
            found.levels[profile][place]
            for profile in patients.values()
            if any(values[place] is not None for values in profile)
        )
        reached[name] = {rung: levels[level] for level, rung in enumerate(rungs)}
    return reached
