"""Leaks, kept values, valid objects, linked patients and files per second, beside four tools from PyPI.

    $ python benchmarks/deidentify.py [--json] [--files DIR] [--only NAME ...]

All tools work on the same planted corpus (`leak_corpus.py`) in one run, each in one process from start to end
and in an environment of its own, which is made once below `~/.cache/hemalake-peers`. `--files` plants in the
DICOM files of a folder instead of the usual ones. The last line with `--json` is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import venv
import warnings
from pathlib import Path
from typing import Any

import deid_score
import leak_corpus
import midi_b
from leak_corpus import CATEGORIES, Planted

HERE = Path(__file__).resolve().parent
VERSIONS = {
    "dicom-anonymizer": ["dicom-anonymizer==2.1.0"],
    "dicognito": ["dicognito==0.19.0"],
    "deid": ["deid==0.4.13"],
    "openmed": ["openmed==3.1.0", "pydicom>=3", "numpy"],
}
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hemalake-peers"


def environment(name: str) -> Path:
    """The Python of a peer's own environment, made where it is not there yet."""
    home = CACHE / name
    python, ready = home / "bin" / "python", home / ".ready"
    wanted = " ".join(VERSIONS[name])
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *VERSIONS[name]], check=True, stdout=sys.stderr)
        ready.write_text(wanted)
    return python


def peer(name: str, inputs: Path, out: Path, _: Path) -> dict[str, Path]:
    """Run a peer; its outputs by the name of their input."""
    subprocess.run([CACHE / name / "bin" / "python", HERE / "deid_peers.py", name, inputs, out],
                   check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=out)  # fmt: skip
    return {path.name: path for path in out.iterdir() if path.is_file()}


def hemalake(_: str, inputs: Path, out: Path, key: Path, *more: str) -> dict[str, Path]:
    """Run `hemalake deidentify-files`; its outputs by the name of their input, as its map says."""
    told = out.with_suffix(".jsonl")
    command = [
        sys.executable,
        "-m",
        "jobs.cli",
        "deidentify-files",
        inputs,
        out,
        "--key",
        f"@{key}",
        "--map",
        told,
        *more,
    ]
    subprocess.run([*command, "--jobs", "1"], check=False, stdout=subprocess.DEVNULL, cwd=HERE.parent)
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    return {Path(line["input"]).name: out / line["output"] for line in lines if line["output"]}


def score(name: str, inputs: Path, planted: dict[str, Planted], work: Path) -> dict[str, Any]:
    """Run one tool over the corpus and say what it did."""
    out = work / f"out-{name}"
    out.mkdir()
    (work / "key").write_bytes(secrets.token_bytes(32))
    started = time.perf_counter()
    outputs = (hemalake if name == "hemalake" else peer)(name, inputs, out, work / "key")
    seconds = time.perf_counter() - started
    actions = midi_b.actions(inputs, planted, outputs)
    actions["pixels hidden"] = hidden(name, work)
    shares = deid_score.kept(inputs, planted, outputs)
    links, patients = deid_score.linked(inputs, planted, outputs)
    return {
        "leaks": deid_score.leaks(planted, outputs),
        "kept": shares["value"],
        "kept_listed_text": shares["listed text"],
        "kept_unlisted_text": shares["unlisted text"],
        "iod_errors": deid_score.iod_errors(inputs, outputs),
        "linked": links,
        "patients": patients,
        "refused": len(planted) - len(outputs),
        "files_per_s": round(len(planted) / seconds, 1),
        "midi_b": actions,
    }


def hidden(name: str, work: Path) -> tuple[int, int]:
    """Run one tool over pictures with burned-in text, HemaLake with its search for such; see `midi_b.hidden`."""
    inputs, out = work / f"burned-{name}", work / f"burned-out-{name}"
    inputs.mkdir()
    out.mkdir()
    places = midi_b.burn(inputs)
    if name == "hemalake":
        outputs = hemalake(name, inputs, out, work / "key", "--look-for-text")
    else:
        outputs = peer(name, inputs, out, work / "key")
    return midi_b.hidden(inputs, places, outputs)


def show(scores: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'tool':<17} leaks % ({' / '.join(CATEGORIES)})")
    for name, one in scores.items():
        leaked = " / ".join(f"{one['leaks'][category]:g}" for category in CATEGORIES)
        print(f"{name:<17} {leaked}\n{'':<17} kept {one['kept']:g} % (listed text {one['kept_listed_text']:g}, "
              f"unlisted {one['kept_unlisted_text']:g}), new IOD errors {one['iod_errors']}, linked "
              f"{one['linked']}/{one['patients']}, refused {one['refused']}, {one['files_per_s']:g}/s")  # fmt: skip
        print(f"{'':<17} MIDI-B actions: {midi_b.shown(one['midi_b'])}")


def main() -> None:
    """Build the corpus, run every tool, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--files", type=Path, help="plant in the DICOM files of this folder")
    parser.add_argument("--only", nargs="+", default=[*VERSIONS, "hemalake"], metavar="NAME", help="these tools")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom warns of odd values, of which the corpus is full
    for name in options.only:
        if name in VERSIONS:
            environment(name)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        inputs = work / "in"
        inputs.mkdir()
        planted = leak_corpus.build(inputs, list(leak_corpus.sources(options.files)))
        values = sum(len(one.tokens) + len(one.dates) for one in planted.values())
        print(f"{len(planted)} files, {values} planted values", flush=True)
        scores = {name: score(name, inputs, planted, work) for name in options.only}
        show(scores)
        if options.json:
            print(json.dumps(scores))


if __name__ == "__main__":
    main()
