"""Write the dictionaries of `jobs/dicom`: the attributes and UIDs of PS3.6, and the private elements that may stay.

pydicom holds them all, but to import it takes a quarter of a second and 25 MB, which each process would spend.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import get_private_entry
from pydicom.uid import UID_dictionary

from jobs.dicom import private
from jobs.dicom.dictionary import ATTRIBUTES, PRIVATE, UIDS

LATER = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
"""UIDs of PS3.6 that pydicom does not list yet."""


def attributes() -> Iterator[tuple[str, ...]]:
    """Tag in hexadecimal digits, `x` for any; value representation, multiplicity, name, keyword."""
    for tag, (vr, vm, name, _, keyword) in DicomDictionary.items():
        yield f"{tag:08X}", vr, vm, name, keyword
    for mask, (vr, vm, name, _, keyword) in RepeatersDictionary.items():
        yield mask, vr, vm, name, keyword


def privates() -> Iterator[tuple[str, ...]]:
    """Creator, tag of its first block, value representation, multiplicity."""
    for (creator, group), numbers in private.allowed().items():
        for number in sorted(numbers):
            tag = group << 16 | 0x1000 | number
            try:
                vr, vm, *_ = get_private_entry(tag, creator)
            except KeyError:
                continue
            yield creator, f"{tag:08X}", vr, vm


if __name__ == "__main__":
    uids = {str(uid): entry[0] for uid, entry in UID_dictionary.items()} | LATER
    for to, rows in ((ATTRIBUTES, attributes()), (UIDS, uids.items()), (PRIVATE, privates())):
        with open(str(to), "w", encoding="utf-8", newline="\n") as file:
            file.writelines("\t".join(row) + "\n" for row in rows)
