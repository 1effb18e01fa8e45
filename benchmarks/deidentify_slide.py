"""MB/s and peak memory of whole commands over one large DICOM file, beside dicom-anonymizer in the same run.

    $ python benchmarks/deidentify_slide.py [--slide-mb 300] [--rounds 7] [--json]

The tools take turns, each run on a disk that has nothing left to write, so that what else the machine does slows
both. The medians are printed; the peer only copies pixels, HemaLake searches them for identifiers too.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deidentify import CACHE, HERE, environment
from rescan import slide

PEER = "dicom-anonymizer"


def run(command: Sequence[str | Path]) -> tuple[float, float]:
    """Wall seconds and peak memory in MB of one command."""
    os.sync()
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")  # what the system tells at the end counts this process, too
    while process.poll() is None:
        peak = max(peak, int((status.read_text().partition("VmHWM:")[2].split() or ["0"])[0]))
        time.sleep(0.002)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    return seconds, peak / 1024


def main() -> None:
    """Write the file, let the tools take turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide-mb", type=int, default=300, metavar="N", help="size of the file")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each tool")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    environment(PEER)
    told: dict[str, list[tuple[float, float]]] = {"hemalake": [], PEER: []}
    with tempfile.TemporaryDirectory() as place:
        source, key = Path(place, "in"), Path(place, "key")
        source.mkdir()
        slide(source / "slide.dcm", options.slide_mb)
        key.write_bytes(secrets.token_bytes(32))
        size = sum(path.stat().st_size for path in source.iterdir()) / 1e6
        for number in range(options.rounds):
            for name, runs in told.items():
                with tempfile.TemporaryDirectory(dir=place) as out:
                    ours = [sys.executable, "-m", "jobs.cli", "deidentify-files", source, Path(out, f"out{number}"),
                            "--key", f"@{key}", "--map", Path(out, "map"), "--jobs", "1"]  # fmt: skip
                    runs.append(run(ours if name == "hemalake" else [CACHE / PEER / "bin" / PEER, source, out]))
    medians = {
        name: {
            "mb_per_s": round(size / statistics.median(seconds for seconds, _ in runs)),
            "best_mb_per_s": round(size / min(seconds for seconds, _ in runs)),
            "peak_mb": round(max(peak for _, peak in runs)),
        }
        for name, runs in told.items()
    }
    for name, one in medians.items():
        print(f"{name:<17} {one['mb_per_s']} MB/s (best {one['best_mb_per_s']}), peak {one['peak_mb']} MB", flush=True)
    if options.json:
        print(json.dumps(medians))


if __name__ == "__main__":
    main()
