"""TIFF slides: SVS, OME-TIFF, NDPI, Philips and generic pyramids, and TIFF files of one image.

Only proven levels pass, with an allow-list of tags and a description that is built anew. Formats that state
their pyramid in documents of their own (Leica, Ventana, Trestle) are not rewritten.
"""

from __future__ import annotations

import re
import struct
from enum import Enum, auto
from typing import BinaryIO

from jobs.deidentify import aperio, ome, philips
from jobs.deidentify.levels import Level, Pyramid, describes_other, same_samples, shows_same
from jobs.deidentify.tiff import (
    DESCRIPTION,
    ICC,
    NDPI_LENS,
    NDPI_PLANE,
    SOFTWARE,
    XMP,
    CannotRewrite,
    Page,
    Tiff,
    read_tiff,
)
from jobs.deidentify.tiff_pixels import TileDecoder
from jobs.deidentify.tiff_tags import ascii_value, clean_tags, dropped_tags
from jobs.deidentify.tiff_write import Kept, write_tiff
from jobs.dicom import log
from jobs.dicom.codestream import DamagedStream
from jobs.dicom.log import LogEntry
from jobs.dicom.walker import Pseudonymiser
from jobs.errors import BadInput
from schemas.reasons import Reason

_LEICA = "www.leica-microsystems.com/scn"
_VENTANA = "iScan"
_TRESTLE = "MedScan"
_LABEL = re.compile(r"(?<![a-z])(label|barcode)(?![a-z])", re.IGNORECASE)


class Maker(Enum):
    """Whose conventions a file follows."""

    APERIO = auto()
    OME = auto()
    PHILIPS = auto()
    HAMAMATSU = auto()
    ANY = auto()


def deidentify_tiff(
    source: BinaryIO, target: BinaryIO, pseudonyms: Pseudonymiser, patient_id: str, shift_days: int
) -> list[LogEntry]:
    """De-identify a TIFF slide, or a TIFF of a single image.

    Raises `BadInput`: NOT_REWRITABLE for a format or codec that is not rewritten, or where no page is proven to
    be the slide; LABEL_IMAGE, OVERVIEW_IMAGE for a single page that says so; TRUNCATED, UNREADABLE.
    """
    try:
        tiff = read_tiff(source)
        maker = _maker(tiff)
        selection = _Selection(tiff, maker, TileDecoder(source, tiff))
        kept = selection.pages()
        entries = _clean(tiff, maker, kept, shift_days)
        entries += _describe(maker, kept, selection.levels, shift_days)
        write_tiff(source, target, tiff, kept)
    except CannotRewrite:
        raise BadInput(Reason.NOT_REWRITABLE) from None
    except DamagedStream as damage:
        raise BadInput(Reason.TRUNCATED if damage.truncated else Reason.UNREADABLE) from None
    except (struct.error, ValueError, IndexError, OverflowError, ZeroDivisionError):
        raise BadInput(Reason.UNREADABLE) from None
    return entries


def _maker(tiff: Tiff) -> Maker:
    """Whose file it is, as OpenSlide tells; raises `CannotRewrite` for makers whose files are not rewritten."""
    first = tiff.pages[0]
    text, software = first.text(DESCRIPTION), first.text(SOFTWARE)
    if tiff.ndpi:
        return Maker.HAMAMATSU
    refused = _LEICA in text or software.startswith(_TRESTLE)
    if refused or any(_VENTANA in page.text(XMP) for page in tiff.pages):
        raise CannotRewrite
    if text.startswith("Aperio"):
        return Maker.APERIO
    if philips.is_philips(software, text):
        return Maker.PHILIPS
    return Maker.OME if ome.is_ome(text) else Maker.ANY


class _Selection:
    """Chooses the pages of a file that pass."""

    def __init__(self, tiff: Tiff, maker: Maker, decoder: TileDecoder) -> None:
        self.tiff, self.maker, self.decoder = tiff, maker, decoder
        self.levels: list[Level] = []

    def pages(self) -> list[Kept]:
        """The pages that pass, in file order, each with those of its sub-pages that do."""
        first = self.tiff.pages[0]
        if describes_other(first):
            if len(self.tiff.pages) > 1 and not (first.tiled and self.maker is Maker.ANY):
                raise CannotRewrite
            raise BadInput(Reason.LABEL_IMAGE if _says_label(first) else Reason.OVERVIEW_IMAGE)
        if self.maker is Maker.HAMAMATSU:
            return self._hamamatsu()
        planes = self._planes()
        if planes > len(self.tiff.pages):
            raise CannotRewrite
        if planes > 1:
            return self._of_planes(self.tiff.pages[:planes])
        if len(self.tiff.pages) > 1 and not first.tiled and not first.subs:
            raise CannotRewrite
        return self._pyramid()

    def _pyramid(self) -> list[Kept]:
        """The largest page in tiles, and the pages and sub-pages that show the same."""
        pages = self.tiff.pages
        first = pages[0]
        whole = first
        for page in pages[1:] if first.tiled else []:
            if page.tiled and _area(page) > _area(whole) and not describes_other(page):
                whole = page
        pyramid = Pyramid(self.decoder, whole)
        candidates = [page for page in pages if page.tiled and page is not whole] + whole.subs
        for page in sorted(candidates, key=_area, reverse=True):
            pyramid.prove(page)
        proven = {level.page.place for level in pyramid.levels}
        if first.place not in proven:
            raise CannotRewrite
        self.levels = sorted(pyramid.levels, key=lambda level: level.factor)
        return [
            Kept(page, f"page[{n}]", subs=_kept_subs(page, n, proven) if page is whole else [])
            for n, page in enumerate(pages)
            if page.place in proven
        ]

    def _planes(self) -> int:
        """How many pages the first image has by its OME-XML; 1 for others."""
        first = self.tiff.pages[0]
        image = ome.read_ome(first.text(DESCRIPTION), first) if self.maker is Maker.OME else None
        return image.planes if image else 1

    def _of_planes(self, planes: list[Page]) -> list[Kept]:
        """The channels, focal planes and times of one image: each must show what the first shows."""
        whole = Level(planes[0], (1.0, 1.0))
        kept = []
        for n, page in enumerate(planes):
            like = page.size == whole.page.size and same_samples(page, whole.page) and not describes_other(page)
            if not like or (n and not shows_same(self.decoder, page, (1.0, 1.0), whole)):
                raise CannotRewrite
            pyramid = Pyramid(self.decoder, page)
            for sub in sorted(page.subs, key=_area, reverse=True):
                pyramid.prove(sub)
            kept.append(Kept(page, f"page[{n}]", subs=_kept_subs(page, n, {lv.page.place for lv in pyramid.levels})))
        return kept

    def _hamamatsu(self) -> list[Kept]:
        """Pages that name a lens are levels, in several focal planes; the macro image and the map name none."""
        pages = self.tiff.pages
        if (pages[0].real(NDPI_LENS) or 0) <= 0:
            raise CannotRewrite
        pyramid = Pyramid(self.decoder, pages[0])
        kept = []
        for n, page in enumerate(pages):
            if (page.real(NDPI_LENS) or 0) > 0 and (n == 0 or self._is_level_or_plane(pyramid, page)):
                kept.append(Kept(page, f"page[{n}]"))
        return kept

    def _is_level_or_plane(self, pyramid: Pyramid, page: Page) -> bool:
        if page.number(NDPI_PLANE) == 0:
            return pyramid.prove(page)
        same = [level for level in pyramid.levels if level.page.size == page.size]
        return any(
            same_samples(level.page, page) and shows_same(self.decoder, page, level.factor, level) for level in same
        )


def _kept_subs(page: Page, n: int, proven: set[int]) -> list[Kept]:
    return [Kept(sub, f"page[{n}].sub[{k}]") for k, sub in enumerate(page.subs) if sub.place in proven]


def _area(page: Page) -> int:
    return page.size[0] * page.size[1]


def _says_label(page: Page) -> bool:
    return bool(_LABEL.search(page.text(DESCRIPTION).partition("|")[0]))


def _clean(tiff: Tiff, maker: Maker, kept: list[Kept], shift_days: int) -> list[LogEntry]:
    """Give every page that is kept its clean tags, and say what is left out."""
    entries: list[LogEntry] = []
    first = {page.place: f"page[{n}]" for n, page in enumerate(tiff.pages)}
    chosen = {k.page.place for top in kept for k in (top, *top.subs)}
    for place, path in first.items():
        if place not in chosen:
            entries.append(LogEntry(path, log.REMOVED, "label, macro, thumbnail: not proven to be a level"))
    for one in [k for top in kept for k in (top, *top.subs)]:
        one.tags = clean_tags(one.page, ndpi=maker is Maker.HAMAMATSU, shift_days=shift_days)
        entries += [
            LogEntry(f"{one.path}.tag {tag}", log.REMOVED, "TIFF tag outside of the allow-list")
            for tag in dropped_tags(one.page, one.tags)
        ]
        if ICC in one.tags:
            entries.append(LogEntry(f"{one.path}.tag {ICC}", log.GENERALISED, "text, date and device taken out"))
    return entries


def _describe(maker: Maker, kept: list[Kept], levels: list[Level], shift_days: int) -> list[LogEntry]:
    """Give the pages the descriptions that their format needs, built anew; no other text passes."""
    entries: list[LogEntry] = []
    for one in [k for top in kept for k in (top, *top.subs)]:
        text = one.page.text(DESCRIPTION)
        clean = ""
        if maker is Maker.APERIO and text.startswith("Aperio"):
            clean = aperio.clean_description(text, shift_days, one.path, entries)
        elif text:
            entries.append(LogEntry(f"{one.path}.ImageDescription", log.REMOVED, "only what the format needs is kept"))
        if one is kept[0] and maker is Maker.OME:
            image = ome.read_ome(text, one.page)
            clean = ome.write_ome(image, shift_days) if image else ""
        elif one is kept[0] and maker is Maker.PHILIPS:
            spacing = philips.read_spacing(text)
            if spacing and levels[0].page is one.page:
                clean = philips.write_description(spacing, levels)
                one.tags[SOFTWARE] = ascii_value(philips.clean_software(one.page.text(SOFTWARE)))
        if clean:
            one.tags[DESCRIPTION] = ascii_value(clean)
    return entries
