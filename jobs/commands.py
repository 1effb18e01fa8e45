"""What each command does; the words that a person reads."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.errors import BadInput, HemalakeError, UsageError
from schemas.reasons import Reason
from schemas.stages import STAGES, Stage

if TYPE_CHECKING:
    from jobs.lake import Lake
    from jobs.pipeline import Outcome


def stage(options: Namespace) -> int:
    """Run one stage."""
    return _run(_lake(options), [options.stage], rebuild=options.rebuild)


def run(options: Namespace) -> int:
    """Run all stages."""
    return _run(_lake(options), STAGES, rebuild=options.rebuild)


def status(options: Namespace) -> int:
    """Show the state of the lake."""
    from jobs.status import show

    show(_lake(options))
    return 0


def report(options: Namespace) -> int:
    """Print the place of the newest report."""
    from jobs.release import stage as release

    lake = _lake(options)
    candidate = release.newest_candidate(lake)
    if candidate is None:
        raise UsageError("there is no release candidate yet. Run `hemalake run` first.")
    print(f"{lake.settings.zone_root('restricted')}/reports/{candidate.id}.html")
    return 0


def review(options: Namespace) -> int:
    """Show the newest candidate; sign or refuse it."""
    from jobs.release import signoff
    from jobs.release import stage as release

    lake = _lake(options)
    if options.json:
        print(json.dumps(_waiting(release.status(lake))))
        return 0
    candidate = release.newest_candidate(lake)
    if candidate is None:
        raise UsageError("there is no release candidate to review. Run `hemalake run` first.")
    print(f"candidate  {candidate.id}\nsha256     {candidate.release_sha256}")
    print(f"report     {lake.settings.zone_root('restricted')}/reports/{candidate.id}.html")
    if options.release_sha256 and options.release_sha256 != candidate.release_sha256:
        raise UsageError("the newest candidate has another hash than the one to be signed. Read its report first.")
    if not (options.approve or options.refuse):
        print("Nothing was decided. Say --approve or --refuse, and --officer NAME.")
        return 0
    if not options.officer:
        raise UsageError("who decides? Say --officer NAME.")
    what = "approved" if options.approve else "refused"
    decision = signoff.decide(
        lake, candidate.release_sha256, what, officer=options.officer, comment=options.comment, by=options.by
    )
    print(f"{what} by {options.officer} (decision {decision.number}).")
    if options.approve:
        print("Run `hemalake release` to publish it.")
    return 0


def _waiting(found: dict[str, Any]) -> dict[str, Any] | None:
    """What Airflow shows the officer; None where there is no candidate."""
    candidate = found["candidate"]
    if candidate is None:
        return None
    shown = {name: candidate[name] for name in ("release_sha256", "cells", "patients")}
    decided = found["decision"] and found["decision"]["decision"]
    return {"candidate": candidate["id"], **shown, "report": found["report"], "decision": decided}


def rotate_key(options: Namespace) -> int:
    """Give the lake another pseudonym key."""
    from jobs.keys import rotate

    if not options.new.startswith("@"):
        raise UsageError("name the file of the new key as @FILE.")
    if options.map and options.map.exists():
        raise UsageError("the map exists already; nothing was changed.")
    patients = rotate(_lake(options), Path(options.new[1:]), options.map)
    print(
        f"The lake has another key; {patients} patients will have new pseudonyms. Name its file under [places] key, "
        "run `hemalake run --rebuild`, and destroy the old key once nobody needs to link old releases any more."
    )
    return 0


def vacuum(options: Namespace) -> int:
    """Remove versions of tables that nobody will ask for again."""
    from jobs.vacuum import vacuum as remove

    done = remove(_lake(options), days=options.days, unpin=options.unpin)
    print(f"{done.files} files of earlier versions removed, {done.bytes / 1e6:.1f} MB")
    for release in done.unpinned:
        print(f"{release} can no longer be built again; what was published of it stays.")
    for release, tables in done.pinned.items():
        print(f"{release} pins earlier versions, which stay with all that they hold: {', '.join(tables)}")
    return 0


def query(options: Namespace) -> int:
    """Answer one statement, or open a shell."""
    from jobs.query import answer

    lake = _lake(options)
    if options.sql:
        _print_rows(*answer(lake, options.sql), as_csv=options.csv)
        return 0
    print("SQL over the curated tables, such as: SELECT * FROM curated.samples LIMIT 5   (an empty line ends)")
    while line := _asked("hemalake> "):
        try:
            _print_rows(*answer(lake, line), as_csv=options.csv)
        except UsageError as error:
            print(error, file=sys.stderr)
    return 0


def demo_hospital(options: Namespace) -> int:
    """Make a synthetic hospital."""
    from jobs.hospital.build import build

    with _Progress() as progress:
        build(options.folder, patients=options.patients, seed=options.seed, progress=progress.update)
    print(f"A hospital of {options.patients} patients is in {options.folder}; what was planted is in truth.json.")
    return 0


def demo(options: Namespace) -> int:
    """Hospital, pipeline, signature, release."""
    from jobs import demo as demonstration
    from jobs.lake import Lake
    from jobs.release import signoff
    from jobs.release import stage as release
    from jobs.settings import load_settings
    from schemas.stages import RELEASE

    started = time.time()
    with _Progress() as progress:
        file = demonstration.prepare(options.folder, options.patients, options.seed, progress.update)
    lake = Lake(load_settings(file))
    _run(lake, STAGES)
    candidate = release.newest_candidate(lake)
    if candidate is not None and signoff.decision_for(lake, candidate.release_sha256) is None:
        signoff.decide(
            lake, candidate.release_sha256, "approved", officer=demonstration.OFFICER, comment="", by="command line"
        )
        print(f"signed     as {demonstration.OFFICER}")
        _run(lake, [RELEASE])
    found = release.status(lake)
    versions = ", ".join(release["version"] for release in found["published"])
    print(f"\nDone in {time.time() - started:.0f} s. Released: {versions or 'nothing'}")
    print(f"  release  {lake.settings.zone_root('released')}")
    if candidate is not None:
        print(f"  report   {lake.settings.zone_root('restricted')}/reports/{candidate.id}.html")
    print(f"  look     hemalake status --settings {file}")
    return 0


def deidentify_files(options: Namespace) -> int:
    """De-identify files without a lake; every input is passed or refused with its reason."""
    from jobs import deidentify_files as files

    if not options.key.startswith("@"):
        raise UsageError("the key is read from a file: say --key @FILE.")
    told = options.map or options.out.with_name(f"{options.out.name}.map.jsonl")
    if options.out.resolve() in told.resolve().parents:
        raise UsageError("the map names the inputs, so it must not lie in the output folder.")
    check = files.check_key(Path(options.key[1:]), options.report)
    results = files.run(
        options.source, options.out, Path(options.key[1:]), profile=options.profile, look=options.look_for_text,
        jobs=options.jobs, told=_show_progress,
    )  # fmt: skip
    found = {**files.summary(files.write_results(results, told)), "key_check": check}
    if options.report:
        options.report.write_text(json.dumps(found, indent=1) + "\n")
    refused = sum(found["refused"].values())
    if options.json:
        print(json.dumps(found))
        return 0
    print(f"{found['files']} files in, {found['passed']} out, {refused} refused")
    print(f"burned-in text: {found['burned_in_text']}")
    for reason, count in found["refused"].items():
        print(f"  {count:>6} {Reason(reason).sentence}")
    print(f"Which is which says {told} (for the hospital alone).")
    return 0


def deduplicate_files(options: Namespace) -> int:
    """Find duplicates in a folder without a lake; unreadable files are named, and make the command fail."""
    from jobs import deduplicate_files as files
    from jobs.pixels.picture import SUFFIXES

    if not options.report.absolute().parent.is_dir():
        raise UsageError("the folder of the report does not exist.")
    if options.report.is_dir() or options.report.suffix.lower() in SUFFIXES:
        raise UsageError("the report is a CSV file: name neither a folder nor a picture.")
    if options.jobs < 0:
        raise UsageError("--jobs takes a number of processes, or 0 for one a core.")
    found = files.run(options.folder, jobs=options.jobs, field_from=options.field_from, told=_show_progress)
    files.write_report(found.pairs, options.report)
    kinds = {kind: sum(pair.kind == kind for pair in found.pairs) for kind in ("exact", "near", "overlap")}
    if options.json:
        unreadable = [{"file": name, "reason": reason} for name, reason in found.unreadable]
        told = {"pictures": found.pictures, "others": found.others, **kinds, "fields_not_searched": found.not_searched}
        print(json.dumps(told | {"unreadable": unreadable}))
        return 1 if found.unreadable else 0
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    print(f"{found.pictures} pictures, {len(found.pairs)} pairs: {counts}")
    if found.others:
        print(f"{found.others} other files are no pictures and were left alone")
    if found.not_searched:
        print(
            f"{found.not_searched} fields are too many to look for parts that two of them share; "
            f"--field-from {files.FIELD_FROM} looks for them all the same"
        )
    for name, reason in found.unreadable:
        print(f"{name}: {reason.sentence}")
    return 1 if found.unreadable else 0


def crop_files(options: Namespace) -> int:
    """Cut crops out of one scan; 1 when one of them failed."""
    from jobs import crop_files as files
    from jobs.crop.plan import PRESETS, Options

    pad = [int(part) if part.strip().isdecimal() else -1 for part in options.pad.split(",")]
    if len(pad) != 3 or not all(0 <= part <= 255 for part in pad):
        raise UsageError("--pad-colour takes three numbers from 0 to 255, such as 255,255,255.")
    chosen = Options(
        size=PRESETS[options.preset] if options.preset else options.size, border=options.border,
        format=options.format, pad=(pad[0], pad[1], pad[2]), mpp=options.mpp, scan_mpp=options.scan_mpp,
        context=options.context, focal_plane=options.focal_plane, optical_path=options.optical_path,
        jobs=options.jobs,
    )  # fmt: skip
    try:
        outcome = files.run(options.scan, options.annotations, options.out, chosen)
    except BadInput as bad:
        raise HemalakeError(
            f"the annotation file: {bad.reason.sentence} Export it again from the tool that made it; "
            "docs/crop-files.md lists the formats."
        ) from None
    failed = outcome.counts["failed"]
    if options.json:
        mpp = outcome.mpp and {"x": outcome.mpp.x, "y": outcome.mpp.y, "source": outcome.mpp.source}
        shown = {"counts": outcome.counts, "reasons": outcome.reasons, "mpp": mpp, "notes": outcome.notes}
        print(json.dumps(shown))
        return 1 if failed else 0
    print(", ".join(f"{count} {status}" for status, count in sorted(outcome.counts.items())) or "no annotation")
    for reason, count in outcome.reasons.most_common():
        print(f"  {count:>6} {reason}")
    if outcome.mpp:
        print(f"µm per pixel: {outcome.mpp.x:g} x {outcome.mpp.y:g} ({outcome.mpp.source})")
    elif outcome.mpp_missing:
        print(f"µm per pixel: none ({outcome.mpp_missing})")
    for note in outcome.notes:
        print(f"note: {note}")
    return 1 if failed else 0


def airflow(options: Namespace) -> int:
    """Start Airflow."""
    from jobs.airflow import serve

    return serve(options.folder)


def _lake(options: Namespace) -> Lake:
    from jobs.lake import Lake
    from jobs.settings import load_settings

    return Lake(load_settings(options.settings or os.environ.get("HEMALAKE_SETTINGS", "hemalake.toml")))


def _run(lake: Lake, stages: Sequence[Stage], *, rebuild: bool = False) -> int:
    from jobs import pipeline

    with _Progress() as progress:
        pipeline.run(lake, stages, rebuild=rebuild, told=_tell, starting=lambda stage: progress.say(f"{stage.name} …"))
    return 0


def _tell(outcome: Outcome) -> None:
    """One line a stage, and one a warning."""
    if outcome.skipped or not (outcome.changed or any(account.came for account in outcome.accounts)):
        print(f"{outcome.stage.name:<12} nothing new", flush=True)
        return
    counts = ", ".join(
        f"{a.came} {a.unit}{'' if a.came == 1 else 's'} in, {a.passed} out"
        + (f", {a.held} held back" if a.held else "")
        for a in outcome.accounts
        if a.came
    )
    print(f"{outcome.stage.name:<12} {outcome.seconds:5.1f} s  {counts}", flush=True)
    for warning in outcome.warnings:
        print(f"{'':<12} warning: {warning}", flush=True)


class _Progress:
    """A line that moves on a terminal, and nothing elsewhere."""

    def __enter__(self) -> _Progress:
        from rich.console import Console

        self._status = Console(stderr=True).status("starting …")
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def say(self, text: str) -> None:
        self._status.update(text)

    def update(self, what: str, done: int, total: int) -> None:
        self._status.update(f"{what} {done}/{total}")


def _asked(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""


def _print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_csv: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*[_short(value) for value in row])
    Console().print(table)


def _short(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    return "" if value is None else str(value)


def settings_beside(folder: Path) -> Path:
    """The settings in a folder.

    Raises:
        UsageError: there are none.
    """
    file = folder / "hemalake.toml"
    if not file.exists():
        raise UsageError(f"{folder} holds no hemalake.toml. Run `hemalake demo {folder}` first, or write one.")
    return file


def _show_progress(what: str, done: int, total: int) -> None:
    """Keep one line up to date on a terminal; say nothing elsewhere."""
    if sys.stderr.isatty() and (done == total or done % 16 == 0):
        print(f"\r{what} {done}/{total} ", end="\n" if done == total else "", file=sys.stderr, flush=True)
