"""What the search of every output costs: throughput and peak memory of de-identification with it and without.

    $ python benchmarks/rescan.py [--slide-mb 300]

Two inputs: the planted corpus of `leak_corpus.py` (many small files, many patients) and one slide of native pixels.
Each run is a process of its own, timed by its CPU, since a busy machine changes the wall time. Only this benchmark can
leave the search out; `hemalake deidentify-files` cannot.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from leak_corpus import build, sources
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

from jobs.deidentify.batch import Batch
from jobs.deidentify_files import Cleaner
from jobs.deidentify_inputs import patient_of, read_input
from jobs.pseudonyms import Pseudonyms


class NoSearch(Batch):
    """A batch whose outputs are not searched."""

    def found_in(self, *_: Any) -> bool:
        """Nothing is looked for."""
        return False


def work(folder: Path, search: bool) -> dict[str, float]:
    """Clean all files of a folder, one after another; CPU seconds of it and peak memory of the process in MB."""
    files = [read_input(path) for path in sorted(folder.iterdir())]
    batch = Batch() if search else NoSearch()
    for file in files:
        batch.add(file.found)
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        cleaner = Cleaner(Pseudonyms(secrets.token_bytes(32)), Path(out), batch, None)
        cleaner(files[0])
        started = time.process_time()
        passed = sum(cleaner(file).output is not None for file in files)
        seconds = time.process_time() - started
    patients = len({patient_of(file) for file in files})
    status = Path("/proc/self/status").read_text()  # ru_maxrss would count what the parent held at the fork
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"seconds": seconds, "peak_mb": peak, "files": len(files), "passed": passed, "patients": patients}


def slide(path: Path, megabytes: int) -> None:
    """A file of so many megabytes of native pixels."""
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    side = 1000
    pixels = np.random.default_rng(1).integers(0, 65536, megabytes * side * side // 2, dtype=np.uint16)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = side, side, megabytes // 2
    dataset.PixelData, dataset.file_meta.TransferSyntaxUID = pixels.tobytes(), ExplicitVRLittleEndian
    dataset.save_as(path)


def main() -> None:
    """Make the inputs, run each in two processes, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slide-mb", type=int, default=300, metavar="N", help="size of the slide")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.worker:
        print(json.dumps(work(Path(options.worker[0]), options.worker[1] == "with")))
        return
    with tempfile.TemporaryDirectory() as place:
        corpus, big = Path(place, "corpus"), Path(place, "slide")
        corpus.mkdir()
        big.mkdir()
        build(corpus, list(sources()))
        slide(big / "slide.dcm", options.slide_mb)
        for folder in (corpus, big):
            size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            for how in ("with", "without"):
                command = [sys.executable, __file__, "--worker", str(folder), how]
                found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                rate = f"{found['files'] / found['seconds']:.0f} files/s, {size / found['seconds']:.0f} MB/s"
                told = f"{found['files']} files of {found['patients']} patients, {size:.0f} MB"
                print(
                    f"{folder.name:<7} {how:<7} the search: {rate}, peak {found['peak_mb']:.0f} MB ({told})", flush=True
                )


if __name__ == "__main__":
    main()
