"""Run one peer over a folder, by its own Python: `python deid_peers.py NAME IN OUT`.

Each file is one call of the peer's documented function, so that a file that it fails on costs only itself;
the process, its start and all files are one wall time. Outputs keep the name of their input.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

Clean = Callable[[Path, Path], object]


def dicom_anonymizer(_: Path) -> Clean:
    """dicom-anonymizer with its default rules."""
    from dicomanonymizer import anonymize_dicom_file

    return lambda source, target: anonymize_dicom_file(str(source), str(target))


def dicognito(_: Path) -> Clean:
    """dicognito; one anonymizer for all files, as its command has."""
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()

    def clean(source: Path, target: Path) -> None:
        with pydicom.dcmread(source) as dataset:
            anonymizer.anonymize(dataset)
            dataset.save_as(target)

    return clean


def deid(out: Path) -> Clean:
    """pydicom/deid with the recipe that it carries, private tags removed."""
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = DeidRecipe()
    return lambda source, target: replace_identifiers(
        [str(source)], deid=recipe, save=True, overwrite=True, output_folder=str(out), remove_private=True
    )


def openmed(_: Path) -> Clean:
    """openmed's header de-identification, dates kept but shifted."""
    from openmed.multimodal.dicom import DicomHeaderDeidPolicy, deidentify_dicom_headers

    def clean(source: Path, target: Path) -> None:
        policy = DicomHeaderDeidPolicy(
            output_path=target, date_shift_days=-33, retain_longitudinal_temporal_information=True,
            retain_patient_characteristics=True,
        )  # fmt: skip
        deidentify_dicom_headers(source, policy=policy)

    return clean


PEERS = {"dicom-anonymizer": dicom_anonymizer, "dicognito": dicognito, "deid": deid, "openmed": openmed}


def main(name: str, source: Path, out: Path) -> None:
    """Clean every file; what a peer refuses leaves no output."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    clean = PEERS[name](out)
    for path in sorted(source.iterdir()):
        target = out / path.name
        try:
            clean(path, target)
        except Exception:
            target.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
