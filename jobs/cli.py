"""The `hemalake` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jobs import commands
from jobs.errors import HemalakeError, without_values
from schemas.stages import STAGES

DESCRIPTION = "From raw haematology scans and clinical records to a signed, public training set."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it should, 1 when it failed, 2 when it was called wrongly."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except KeyboardInterrupt:
        print("hemalake: stopped; run the same command again to go on.", file=sys.stderr)
        return 1
    except HemalakeError as error:
        print(f"hemalake: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        print(f"hemalake: {without_values(error)}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """All commands with their options and an example each."""
    top = argparse.ArgumentParser(
        prog="hemalake",
        description=DESCRIPTION,
        epilog="Example: hemalake demo demo    (everything, on a synthetic hospital)",
    )
    every = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for stage in STAGES:
        one = _command(every, stage.name, stage.does, f"hemalake {stage.name}", commands.stage)
        one.set_defaults(stage=stage)
        _rebuild(one)
    _rebuild(_command(every, "run", "Run all stages in their order.", "hemalake run", commands.run))
    _command(
        every, "status", "Show what is where, how much, what is held back and why, and what is stale.",
        "hemalake status", commands.status,
    )  # fmt: skip
    _command(every, "report", "Say where the newest compliance report is.", "hemalake report", commands.report)
    _review(every)
    rotate = _command(
        every, "rotate-key", "Give every patient a new pseudonym: another key, and then a rebuild.",
        "hemalake rotate-key @new.key --map old-to-new.jsonl", commands.rotate_key,
    )  # fmt: skip
    rotate.add_argument("new", metavar="@FILE", help="file of the new key, 32 bytes or more")
    rotate.add_argument(
        "--map", type=Path, metavar="FILE",
        help="one JSON line per patient, its old and its new pseudonym; for the hospital alone",
    )  # fmt: skip
    vacuum = _command(
        every, "vacuum", "Remove earlier versions of tables, which no release pins and no stage has yet to read.",
        "hemalake vacuum --days 0", commands.vacuum,
    )  # fmt: skip
    vacuum.add_argument(
        "--days", type=int, metavar="N",
        help="how long versions stay after they were replaced (default: as each table's contract says, mostly 30)",
    )  # fmt: skip
    vacuum.add_argument(
        "--unpin", action="append", default=[], metavar="vN",
        help="a release that need not be built again, so that its versions go too; what was published stays",
    )  # fmt: skip
    query = _command(
        every, "query", "SQL over the curated tables: one statement, or a shell.",
        'hemalake query "SELECT label_code, count(*) FROM curated.samples GROUP BY 1"', commands.query,
    )  # fmt: skip
    query.add_argument("sql", nargs="?", help="a statement; without it a shell opens")
    query.add_argument("--csv", action="store_true", help="print comma-separated values")
    _demo(every)
    _deidentify_files(every)
    _deduplicate_files(every)
    _crop_files(every)
    return top


def _review(every: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    review = _command(
        every, "review", "Sign the newest release candidate, or refuse it.",
        'hemalake review --approve --officer "A. Officer"', commands.review,
    )  # fmt: skip
    decision = review.add_mutually_exclusive_group()
    decision.add_argument("--approve", action="store_true", help="sign exactly what the candidate's hash names")
    decision.add_argument("--refuse", action="store_true", help="refuse it")
    review.add_argument("--officer", default="", help="name of who decides")
    review.add_argument("--comment", default="", help="a remark for the log")
    review.add_argument("--release-sha256", default="", metavar="HASH", help="refuse to sign anything else")
    review.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    review.add_argument("--by", default="command line", choices=("command line", "airflow"), help=argparse.SUPPRESS)


def _demo(every: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = _command(every, "demo", "Everything at once on a synthetic hospital.", "hemalake demo demo", commands.demo)
    hospital = _command(
        every, "demo-hospital", "Make a synthetic hospital: slides, fields, records, annotations, planted trouble.",
        "hemalake demo-hospital hospital --patients 36 --seed 7", commands.demo_hospital,
    )  # fmt: skip
    for one in (demo, hospital):
        one.add_argument("folder", type=Path, help="where to put it")
        one.add_argument("--patients", type=int, default=36, metavar="N", help="how many patients (default 36)")
        one.add_argument("--seed", type=int, default=7, metavar="S", help="another seed, another hospital (default 7)")
    airflow = _command(
        every, "airflow", "Start Airflow on a lake, and say what to click.", "hemalake airflow demo", commands.airflow
    )
    airflow.add_argument("folder", type=Path, help="folder of hemalake.toml; Airflow keeps its own files beside it")


def _deidentify_files(every: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    files = _command(
        every, "deidentify-files", "De-identify a folder of DICOM, SVS, TIFF, JPEG, PNG or BMP files, without a lake.",
        "hemalake deidentify-files scans cleaned --key @key.bin", commands.deidentify_files, settings=False,
    )  # fmt: skip
    files.add_argument("source", metavar="IN", type=Path, help="a file or a folder")
    files.add_argument("out", metavar="OUT", type=Path, help="a folder, new or empty; it will hold no original name")
    files.add_argument("--key", required=True, metavar="@FILE", help="file of the pseudonym key, 32 bytes or more")
    files.add_argument(
        "--profile", type=Path, metavar="FILE", help="TOML: `options` of PS3.15 Table E.1-1, `oldest_age`"
    )
    files.add_argument(
        "--map", type=Path, dest="map", metavar="FILE",
        help="one JSON line per input: its output or a reason; for the hospital alone (default OUT.map.jsonl)",
    )  # fmt: skip
    files.add_argument(
        "--look-for-text", action="store_true",
        help="decode the pixels and look for burned-in text (needs tesseract); what shows some is refused",
    )  # fmt: skip
    files.add_argument("--report", type=Path, metavar="FILE", help="JSON: what was done to which attribute, no values")
    files.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    files.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one a core)")


def _deduplicate_files(every: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    files = _command(
        every, "deduplicate-files", "Find the pictures of a folder that show the same, without a lake.",
        "hemalake deduplicate-files crops --report pairs.csv", commands.deduplicate_files, settings=False,
    )  # fmt: skip
    files.add_argument("folder", metavar="DIR", type=Path, help="a folder of pictures, with its subfolders")
    files.add_argument("--report", type=Path, required=True, metavar="FILE", help="CSV: every confirmed pair")
    files.add_argument(
        "--field-from", type=int, metavar="PX",
        help="pictures with a longer side over this are fields, which may overlap in part (default 320, and no search "
        "for such parts among more than 3,162 fields)",
    )  # fmt: skip
    _jobs_and_json(files)


def _crop_files(every: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    files = _command(
        every, "crop-files", "Cut the annotated cells out of one scan, without a lake.",
        "hemalake crop-files slide.svs --annotations cells.geojson crops", commands.crop_files, settings=False,
    )  # fmt: skip
    files.add_argument("scan", metavar="SCAN", type=Path, help="a file, or the folder of a DICOM series")
    files.add_argument("out", metavar="OUT", type=Path, help="a folder, new or empty, for the crops and index.csv")
    files.add_argument(
        "--annotations", required=True, type=Path, metavar="FILE",
        help="Pascal VOC, COCO, YOLO, CSV, QuPath GeoJSON, ASAP XML or DICOM ANN",
    )  # fmt: skip
    size = files.add_mutually_exclusive_group()
    size.add_argument("--size", type=int, default=250, metavar="N", help="side of a crop in pixels (default 250)")
    size.add_argument("--preset", choices=("munich", "mll23"), help="side of the crops of a public set: 250 or 288")
    files.add_argument(
        "--border", choices=("pad", "shift", "skip"), default="pad",
        help="what becomes of a crop that reaches beyond the scan (default: pad)",
    )  # fmt: skip
    files.add_argument(
        "--pad-colour", dest="pad", default="255,255,255", metavar="R,G,B", help="colour of padding (default: white)"
    )
    files.add_argument(
        "--format", choices=("png", "jxl", "jpeg"), default="png",
        help="png and jxl are lossless, jpeg has quality 95 (default: png)",
    )  # fmt: skip
    files.add_argument("--mpp", type=float, metavar="UM", help="µm per pixel of the crops; they are resampled to it")
    files.add_argument(
        "--scan-mpp", type=float, metavar="UM", help="µm per pixel of the scan, instead of what its file says"
    )
    files.add_argument(
        "--context", type=int, default=0, metavar="N", help="side of a second, wider crop in OUT/context"
    )
    files.add_argument("--focal-plane", type=float, metavar="UM", help="of a DICOM scan (default: the middle one)")
    files.add_argument("--optical-path", metavar="ID", help="of a DICOM scan (default: the first)")
    _jobs_and_json(files)


def _jobs_and_json(files: argparse.ArgumentParser) -> None:
    files.add_argument("--json", action="store_true", help="print the counts as one line of JSON")
    files.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one a core)")


def _command(
    every: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    does: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
    *,
    settings: bool = True,
) -> argparse.ArgumentParser:
    one = every.add_parser(name, help=does, description=does, epilog=f"Example: {example}")
    one.set_defaults(run=run)
    if not settings:
        return one
    one.add_argument(
        "--settings", type=Path, default=None, metavar="FILE",
        help="settings in TOML (default: $HEMALAKE_SETTINGS, else hemalake.toml)",
    )  # fmt: skip
    return one


def _rebuild(one: argparse.ArgumentParser) -> None:
    one.add_argument("--rebuild", action="store_true", help="do everything anew and replace what is there")


if __name__ == "__main__":
    sys.exit(main())
