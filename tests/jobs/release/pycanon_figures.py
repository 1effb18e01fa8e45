"""k and l of random patients by pycanon, before and after they are generalised: what ours are compared with.

pycanon 1.3.6 asks for other versions of NumPy and SciPy than the pipeline, so it runs in an environment of its own:

    $ PYTHONPATH=. uv run --no-project --with pycanon==1.3.6 python tests/jobs/release/pycanon_figures.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
from pycanon import anonymity

from jobs.release.anonymity import combinations, generalise, profiles
from jobs.release.ladders import LADDERS

CODES = ("C92.0", "C92.1", "C91.1", "C90.0", "D46.9", "D50.9", "D72.8", None)
AGES = ("50-59", "60-69", "70-79", "80-89", "90+", None)
RUNGS = tuple(LADDERS.values())
Table = list[tuple[str | None, ...]]


def drawn(rows: int) -> Table:
    draw = random.Random(rows)
    return [(draw.choice(CODES), draw.choice(AGES), draw.choice(("female", "male"))) for _ in range(rows)]


def measured(table: Table) -> dict:
    """k over all columns and l of the diagnosis over the others, of the rows that have a value."""
    frame = pd.DataFrame([row for row in table if any(row)], columns=list(LADDERS)).fillna("null")
    others = ["age_group", "sex"]
    known = frame.groupby(others)["diagnosis"].transform(lambda codes: (codes != "null").any())
    known &= (frame[others] != "null").any(axis=1)
    diversity = anonymity.l_diversity(frame[known].reset_index(drop=True), others, ["diagnosis"]) if known.any() else 0
    return {"table": table, "k": int(anonymity.k_anonymity(frame, list(LADDERS))), "l": int(diversity)}


def case(rows: int, asked: int) -> dict:
    table = drawn(rows)
    patients = profiles((f"{n:04d}", values) for n, values in enumerate(table))
    after = [now for _, _, now in combinations(patients, RUNGS, generalise(patients, RUNGS, asked))]
    return {"rows": rows, "asked": asked, "before": measured(table), "after": measured(after)}


if __name__ == "__main__":
    cases = [case(rows, asked) for rows, asked in ((36, 5), (60, 11), (150, 11), (400, 11))]
    lines = ",\n".join(json.dumps(one) for one in cases)
    Path(__file__).with_name("pycanon_figures.json").write_text(f"[\n{lines}\n]\n")
