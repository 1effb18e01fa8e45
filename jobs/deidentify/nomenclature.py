"""Genetic findings by the grammar of their nomenclatures, which leaves no place for a word that is none of theirs.

Sequence variants: HGVS Nomenclature, version 21.1 (substitution, deletion, duplication, insertion, inversion,
frameshift, extension; amino acids that are inserted only by three letters, as one letter each would spell a name).
Karyotypes: ISCN 2020, conventional cytogenetics (clones, numerical and structural abnormalities, bands).
"""

from __future__ import annotations

import re
from functools import cache

from jobs.deidentify.record_codes import codes

LONGEST = 400
"""Longer texts are not read, so that no text takes long."""

_AMINO = "Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Sec|Ser|Thr|Trp|Tyr|Val|Ter|Xaa"
_ANY_AMINO = rf"(?:{_AMINO}|[ACDEFGHIKLMNPQRSTVWYX*])"
_AT = r"[-*]?\d{1,6}(?:[+-]\d{1,5})?"
_AT_GENOME = r"\d{1,9}"
_BASES = "[ACGT]{1,60}"
_REFERENCE = re.compile(
    r"(?:[NX][CGMPRTW]_\d{6,9}(?:\.\d{1,2})?|LRG_\d{1,4}(?:[tp]\d{1,2})?|ENS[GTP]\d{11}(?:\.\d{1,2})?)", re.ASCII
)


def _change(at: str) -> str:
    """A change of DNA at positions of a form."""
    edits = rf"del(?:{_BASES})?|dup(?:{_BASES})?|inv|ins{_BASES}|del(?:{_BASES})?ins{_BASES}|\[\d{{1,4}}\]"
    return rf"(?:{at}(?:_{at})?(?:{edits})|{at}{_BASES}>{_BASES}|{at}=|=|\?)"


_SHIFT = r"fs(?:(?:Ter|\*|X)(?:\d{1,4}|\?))?"
_PLACE = rf"{_ANY_AMINO}\d{{1,5}}"
_PROTEIN = (
    rf"(?:{_PLACE}(?:{_ANY_AMINO}?{_SHIFT}|{_ANY_AMINO}|=|\?|ext(?:Ter|\*|-)\d{{1,4}})"
    rf"|{_PLACE}(?:_{_PLACE})?(?:del|dup|(?:del)?ins(?:{_AMINO}){{1,60}})|0\??|=|\?)"
)
_CHANGES = {
    "c": re.compile(rf"c\.(?:\({_change(_AT)}\)|{_change(_AT)})", re.ASCII),
    "g": re.compile(rf"[gm]\.{_change(_AT_GENOME)}", re.ASCII),
    "p": re.compile(rf"p\.(?:\({_PROTEIN}\)|{_PROTEIN})", re.ASCII),
}

_CHROMOSOME = r"(?:[1-9]|1\d|2[0-2]|X|Y|\?)"
_BAND = r"(?:[pq](?:ter|\?|\d{1,2}(?:\.\d{1,3})?)?\??|cen)"
_CHROMOSOMES = rf"\({_CHROMOSOME}(?:;{_CHROMOSOME}){{0,4}}\)"
_BANDS = rf"\({_BAND}{{1,3}}(?:;{_BAND}{{1,3}}){{0,4}}\)"
_EVENT = "add|del|der|dic|dup|fra|hsr|i|ider|idic|ins|inv|qdp|r|rob|t|tas|trc|trp|upd"
_TIMES = r"(?:[x×]\d)?(?:c|dn|mat|pat)?"
_ABNORMALITY = (
    rf"(?:[+-]{_CHROMOSOME}{_TIMES}"
    rf"|[+-]?(?:\d{{1,2}}(?:[~-]\d{{1,2}})?)?(?:mar|dmin|ace|r)\d?{_TIMES}"
    rf"|[+-]?\??(?:(?:psu )?(?:{_EVENT})\??{_CHROMOSOMES}(?:{_BANDS})?){{1,4}}{_TIMES}"
    r"|idem(?:x\d)?|sl|sdl\d?|inc)"
)
_CELLS = r"(?:\[(?:cp)?\d{1,3}\])?"
_SEX = r"(?:[XY]{1,4}|X,-[XY]|\?)c?"
_COUNT = r"\d{2,3}(?:[~-]\d{2,3})?(?:<\dn[+-]?>)?"
_CLONE = rf"{_COUNT},(?:{_SEX}|(?=idem|sl|sdl))(?:,?{_ABNORMALITY}(?:,{_ABNORMALITY}){{0,40}})?{_CELLS}"
_KARYOTYPE = re.compile(rf"(?:{_CLONE}(?://?{_CLONE}){{0,9}}|{_ABNORMALITY}{_CELLS})", re.ASCII)


def variant(text: str, kind: str = "") -> str | None:
    """The text when it is a sequence variant in HGVS, without spaces around; None where it is not.

    A gene in it (`NM_004119.3(FLT3):c.…` or `FLT3:c.…`) must be on the list of genes.

    Args:
        text: as a laboratory writes it.
        kind: `c`, `g` or `p` where it must be a change of coding DNA, of genomic DNA or of protein.
    """
    bare = re.sub(r"\s*:\s*", ":", text.strip())
    if len(bare) > LONGEST:
        return None
    reference, _, change = bare.rpartition(":")
    changes = [_CHANGES[kind]] if kind else list(_CHANGES.values())
    return bare if _is_reference(reference) and any(one.fullmatch(change) for one in changes) else None


def karyotype(text: str) -> str | None:
    """The text when it is a karyotype or an abnormality in ISCN, without spaces around; None where it is not."""
    bare = re.sub(r"\s*([,;/()\[\]])\s*", r"\1", text.strip())
    return bare if 3 < len(bare) <= LONGEST and _KARYOTYPE.fullmatch(bare) else None


def _is_reference(written: str) -> bool:
    """Whether a variant may refer to it: nothing, an accession, a listed gene, or an accession with the gene."""
    if not written:
        return True
    sequence, bracket, gene = written.removesuffix(")").partition("(")
    if bracket:
        return bool(written.endswith(")") and _REFERENCE.fullmatch(sequence) and gene in _genes())
    return bool(_REFERENCE.fullmatch(written)) or written in _genes()


@cache
def _genes() -> frozenset[str]:
    return frozenset(codes("gene"))
