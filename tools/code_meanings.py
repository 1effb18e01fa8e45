"""Write `jobs/dicom/code_meanings.tsv`: coding scheme, code and meaning of every code that pydicom knows (PS3.16).

pydicom keeps them as Python dictionaries, which cost each process 90 MB and a third of a second.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from jobs.dicom.codes import CODE_MEANINGS

_SEMANTIC_TAG = re.compile(
    r" \((?:body structure|procedure|product|substance|organism|observable entity|finding|"
    r"disorder|morphologic abnormality|physical object|qualifier value|cell|attribute|person|regime/therapy|"
    r"specimen|occupation|medicinal product|cell structure|physical force|event|situation|property)\)$"
)


def rows() -> Iterator[tuple[str, str, str]]:
    """Scheme, code and meaning; a code may have several meanings. SRT codes take those of their SNOMED CT code."""
    snomed: dict[str, list[str]] = {}
    for scheme, named in concepts.items():
        for codes in named.values():
            for code, entry in codes.items():
                meaning = _plain(str(entry[0]))
                yield str(scheme), code, meaning
                if scheme == "SCT":
                    snomed.setdefault(code, []).append(meaning)
    for code, its_snomed in mapping["SRT"].items():
        for meaning in snomed.get(its_snomed, [code]):
            yield "SRT", code, meaning


def _plain(meaning: str) -> str:
    """Spell a meaning so that it fits any character set, without the semantic tag of SNOMED CT."""
    return _SEMANTIC_TAG.sub("", unicodedata.normalize("NFKD", meaning).encode("ascii", "ignore").decode()).strip()


if __name__ == "__main__":
    text = "".join(f"{chr(9).join(row)}\n" for row in sorted(set(rows())))
    Path(str(CODE_MEANINGS)).write_text(text, encoding="ascii")
