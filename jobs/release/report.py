"""The compliance report: one self-contained HTML page on a candidate, for the officer who signs or refuses.

It lies in the restricted zone, since it tells what was found. It shows counts, rules and crops; never a path, a
value that was removed, or anything else of a column that identifies a person by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.lake import Lake
from jobs.release import facts, pictures, twins
from jobs.release.candidate import Candidate, candidates, folder
from jobs.release.contents import columns
from jobs.release.unusual import Unusual, compared
from schemas.contract import Privacy
from schemas.released_cells import RELEASED_CELLS

TEMPLATE = Path(__file__).with_name("report.html")
NEEDED = ("cell_id", "patient_key", "scan_id", "site_key", "side", "label_code", "pixel_sha256", "duplicate_of")


@dataclass(frozen=True)
class Verdict:
    """One line at the top of the page."""

    good: bool
    """False: the officer should look before signing."""
    sentence: str
    section: str
    """Anchor of the section that tells more."""


def uri(lake: Lake, identity: str) -> str:
    """Where the report on a candidate lies."""
    return f"{lake.settings.zone_root('restricted')}/reports/{identity}.html"


def counts_uri(lake: Lake, identity: str) -> str:
    """Where the counts lie that the report on the next candidate compares with."""
    return f"{lake.settings.zone_root('restricted')}/reports/{identity}.json"


def before(lake: Lake, candidate: Candidate) -> dict[str, Any] | None:
    """The counts of the newest candidate of an earlier snapshot that has a report; None where there is none."""
    earlier = [one for one in candidates(lake) if one.snapshot_number < candidate.snapshot_number]
    places = (counts_uri(lake, one.id) for one in reversed(earlier))
    found = next((place for place in places if lake.store.exists(place)), None)
    return json.loads(lake.store.read(found)) if found else None


def exists(lake: Lake, candidate: Candidate) -> bool:
    """Whether the report was rendered, and for these bytes."""
    place = uri(lake, candidate.id)
    return lake.store.exists(place) and candidate.release_sha256.encode() in lake.store.read(place)


def render(lake: Lake, candidate: Candidate) -> str:
    """Make the report and put it in its place; returns the page."""
    from jinja2 import Environment, StrictUndefined

    root = folder(lake, candidate.id)
    cells = columns(lake.store, root, [*NEEDED, *facts.QUASI])
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}".replace(",", "\u202f")
    counted = {
        "treated": facts.treated(lake, candidate),
        "origins": facts.origins(lake, candidate),
        "held": facts.held_back(lake),
    }
    told: dict[str, Any] = {
        **counted,
        "unusual": compared(before(lake, candidate), counted),
        "actions": facts.ACTIONS,
        "candidate": candidate,
        "settings": lake.settings,
        "came": facts.came_in(lake),
        "codes": facts.MEANINGS,
        "burned_in_text": facts.looked_for_text(counted["treated"], counted["held"]),
        "duplicates": twins.pages(lake, candidate),
        "linked": cells.num_rows - cells["duplicate_of"].null_count,
        "anonymity": facts.anonymity(cells),
        "sides": facts.sides(cells),
        "disjoint": facts.disjoint(cells),
        "sites": len(cells["site_key"].unique()),
        "released": _columns(),
        "samples": pictures.samples(lake.store, root, cells),
        "sheet": pictures.contact_sheet(lake.store, root, cells),
        "labels": _labels(candidate),
    }
    page: str = environment.from_string(TEMPLATE.read_text()).render(told, verdicts=verdicts(told))
    lake.store.write(counts_uri(lake, candidate.id), json.dumps(counted).encode())
    lake.store.write(uri(lake, candidate.id), page.encode())
    return page


def verdicts(told: dict[str, Any]) -> list[Verdict]:
    """What is in order, and what to look at, in plain words."""
    return [
        _patients(told),
        _rescan(told["held"]),
        _quarantine(told["held"]),
        _unusual(told["unusual"]),
        *_findings(told["duplicates"]),
        _small_groups(told["anonymity"], told["candidate"].anonymity),
        _residual(told["candidate"].anonymity),
        _warnings(told["candidate"]),
    ]


def _patients(told: dict[str, Any]) -> Verdict:
    if told["disjoint"]:
        return Verdict(True, "No patient, and no pair of duplicates, is on two sides of the split.", "released")
    return Verdict(False, "A patient is on two sides of the split.", "released")


def _rescan(held: list[dict[str, Any]]) -> Verdict:
    hits = sum(row["open"] for row in held if row["reason"] == "identifier_found")
    if not hits:
        return Verdict(True, "The search of every output for every known identifier found nothing.", "rescan")
    what = "1 output. It is" if hits == 1 else f"{hits} outputs. They are"
    return Verdict(
        False,
        f"The search found an identifier in {what} held back and not in this release; the rule that let it through "
        "needs mending.",
        "rescan",
    )


def _quarantine(held: list[dict[str, Any]]) -> Verdict:
    policy = sum(row["open"] for row in held if row["by_policy"])
    other = sum(row["open"] for row in held if not row["by_policy"])
    return Verdict(
        other == 0,
        f"{policy} units are held back by policy, and {other} because something is wrong with them. "
        "None of them is in this release.",
        "quarantine",
    )


def _findings(pages: list[twins.Page]) -> Iterator[Verdict]:
    """What an officer should look at among the duplicates."""
    said = {
        "mix-up": "show the same although they are of two patients: an identity may be mixed up.",
        "labels": "have the same pixels and two labels.",
    }
    for page in pages:
        if page.name in said and page.scans + page.cells:
            what = f"{page.cells} pairs of cells and {page.scans} pairs of scans {said[page.name]}"
            yield Verdict(False, what, f"duplicates-{page.name}")


def _unusual(found: Unusual) -> Verdict:
    if found.first:
        return Verdict(True, "There is no earlier candidate to compare with: read all of what was done.", "unusual")
    if not found.count:
        return Verdict(True, "Nothing is new or unusual against the candidate before.", "unusual")
    lines = "1 thing is" if found.count == 1 else f"{found.count} things are"
    return Verdict(False, f"{lines} new or unusual against the candidate before.", "unusual")


def _small_groups(found: facts.Anonymity, told: dict[str, Any]) -> Verdict:
    named = ", ".join(name.replace("_", " ") for name in found.columns)
    if not found.k:
        return Verdict(True, f"Nothing is told of {named}, so that nobody can be looked up by them.", "anonymity")
    return Verdict(
        found.k >= told["asked"],
        f"Each combination of {named} that is told is shared by at least {found.k} patients; {told['asked']} were "
        f"asked for. For that, all three are withheld of {_patients_in_words(told['suppressed'])}.",
        "anonymity",
    )


def _residual(told: dict[str, Any]) -> Verdict:
    share = told["unique_by_measured"]
    return Verdict(
        share == 0,
        f"{share:.1%} of the patients are unique by their laboratory values, which lie outside k. Whoever knows the "
        "exact values of a patient would recognise them.",
        "anonymity",
    )


def _patients_in_words(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def _warnings(candidate: Candidate) -> Verdict:
    count = len(candidate.warnings) + candidate.snapshot_warnings
    if not count:
        return Verdict(True, "All expectations of all gates hold.", "gates")
    return Verdict(False, f"All critical expectations hold; {count} warnings were raised.", "gates")


def _labels(candidate: Candidate) -> list[dict[str, Any]]:
    """Each label with its cells by side and their sum."""
    names = sorted({label for found in candidate.classes.values() for label in found})
    counts = {name: {side: found.get(name, 0) for side, found in candidate.classes.items()} for name in names}
    return [{"label": name, **by_side, "all": sum(by_side.values())} for name, by_side in counts.items()]


def _columns() -> list[dict[str, Any]]:
    """The released columns by what they can say about a person."""
    words = {
        Privacy.PSEUDONYM: "Keyed pseudonyms",
        Privacy.QUASI: "Identify together with others",
        Privacy.SENSITIVE: "Clinical facts",
        Privacy.NONE: "Say nothing about a person by themselves",
    }
    return [
        {"means": said, "names": [c.name for c in RELEASED_CELLS.columns if c.privacy is privacy]}
        for privacy, said in words.items()
    ]
