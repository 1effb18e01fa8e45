"""All settings, read from one TOML file into frozen dataclasses; each field is explained below it.

A secret is never written into the file: it is named as `@path/of/file`, or taken from the environment
variable `HEMALAKE_KEY`. Relative paths count from the folder of the TOML file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
import types
import typing
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from jobs.errors import SettingsError


@dataclass(frozen=True)
class Places:
    """Where things lie, each a URI: `file:///…` or `s3a://bucket/prefix`."""

    lake: str
    """Root of the lake; the zones are folders below it unless they have a root of their own."""
    landing: str
    """Where deliveries arrive, as `<source>/<delivery>/…`."""
    key: str = ""
    """The pseudonym key as `@path` of a file of at least 32 bytes; empty: the variable HEMALAKE_KEY names it."""
    restricted: str = ""
    """Root of the restricted zone, where it lies elsewhere."""
    curated: str = ""
    """Root of the curated zone, where it lies elsewhere."""
    released: str = ""
    """Root of the released zone, where it lies elsewhere."""
    s3_endpoint: str = ""
    """Address of an S3 server other than Amazon's; credentials come from the environment."""


@dataclass(frozen=True)
class Points:
    """How a source writes points in text files without a header."""

    folder: str
    """Folder of the delivery that holds them; a file is named like its image."""
    delimiter: str = " "
    """What separates the columns."""
    columns: tuple[str, ...] = ("x", "y", "label")
    """Names of the columns in order, out of x, y, label, examiner."""


@dataclass(frozen=True)
class Source:
    """One hospital, laboratory or public set that delivers."""

    patients: str = "named"
    """`named`: scans and records name patients. `none`: the set names none, and each scan is its own split group."""
    vocabulary: str = "munich_bmc"
    """Vocabulary of the labels: a file `schemas/vocabularies/<name>.csv`, or a CSV path, with a column `code`."""
    labels: dict[str, str] = field(default_factory=dict)
    """Label as written to code, where they differ."""
    identity_columns: dict[str, str] = field(default_factory=dict)
    """CSV column that holds a patient number to the system that issued the number."""
    examiner: str = ""
    """Who drew shapes that name nobody."""
    material: str = ""
    """What all specimens of the source are, where its records do not say it."""
    mpp: float = 0.0
    """µm per pixel of scans that state none; 0: stays null with that reason."""
    mpp_by_scanner: dict[str, float] = field(default_factory=dict)
    """Model of a scanner to its µm per pixel, in place of what its files say."""
    points: Points | None = None
    """How points are written, where they are in text files without a header."""
    ignore: tuple[str, ...] = ()
    """Files of a delivery that are kept but not read, as patterns of their path in it, such as `docs/*`."""
    free_text: tuple[str, ...] = ()
    """Free texts of records that are kept without names, numbers, addresses and dates, by their paths in
    `jobs/deidentify/record_rules.csv`, such as `Condition.note.text`; all others are removed."""
    settle_seconds: float = 300.0
    """A delivery without a manifest is closed once nothing in it changed for so long."""


@dataclass(frozen=True)
class Deidentify:
    """What de-identification does beyond its rules."""

    look_for_text: str = "fields"
    """In which pixels to look for burned-in text, where the program tesseract is installed: `fields`, `all` (slides
    too, up to half a second of one core a megapixel) or `none`. An image that shows some goes to quarantine."""


@dataclass(frozen=True)
class Crop:
    """How cells are cut out."""

    size: int = 250
    """Side of a crop as it is written, in pixels."""
    context: int = 0
    """Side of a second, wider crop of each cell, in pixels; 0: none."""
    mpp: float = 0.0
    """µm per pixel to which crops are resampled; 0: they are the scan's own pixels."""
    border: str = "pad"
    """What becomes of a crop that reaches beyond the scan: `pad`, `shift` (it is moved inside; one that is wider than
    the scan is padded) or `skip` (it goes to quarantine, and what marks the cell with it)."""
    pad: tuple[int, ...] = (255, 255, 255)
    """Colour (red, green, blue) of what lies outside the scan."""
    encoding: str = "png"
    """`png` or `jxl` (JPEG XL: less bytes, fewer readers), both lossless, or `jpeg` of quality 95 at full colour."""
    same_cell_distance: float = 15.0
    """Two examiners' shapes whose centres lie within this distance, in pixels, are one cell."""
    same_cell_iou: float = 0.0
    """Two examiners' boxes or polygons are one cell when their bounding boxes overlap by this intersection over union,
    whatever their distance, which then decides for points only; 0: the distance decides for all."""


@dataclass(frozen=True)
class Tiles:
    """How the tissue of sections is cut into tiles."""

    size: int = 0
    """Side of a tile as it is written, in pixels, such as 512; 0: no tiles."""
    mpp: float = 0.5
    """µm per pixel of the tiles as they are written."""
    overlap: int = 0
    """Pixels, as written, that neighbours share."""
    least_tissue: float = 0.1
    """Smallest share of a tile that is tissue; tiles with less are not cut."""
    stains: tuple[str, ...] = ("H&E",)
    """Stains of the slides that are cut into tiles, by the names of `schemas/vocabularies/stains.csv`."""


@dataclass(frozen=True)
class Split:
    """How patients are divided."""

    scheme: str = "default"
    """Name under which assignments are stored; another name starts afresh."""
    train: float = 0.7
    """Share of patients for training."""
    validation: float = 0.15
    """Share of patients for validation; the rest is for the test."""


@dataclass(frozen=True)
class Release:
    """What a release says of itself."""

    title: str = "HemaLake release"
    """Title in its README."""
    licence: str = "CC-BY-4.0"
    """SPDX name of its licence."""
    citation: str = ""
    """How it wants to be cited."""
    rows_per_file: int = 2000
    """Rows in one Parquet file."""
    k: int = 11
    """At least so many patients share each combination of sex, age and diagnosis; else it is made more general."""


@dataclass(frozen=True)
class Spark:
    """How Spark runs."""

    master: str = "local[2]"
    """Where: `local[2]`, `spark://host:7077`, … ; a master given to spark-submit comes first."""
    driver_memory: str = "2g"
    """Heap of the driver, as Java writes it."""
    quick: bool = True
    """Tuned for little data, where planning and compiling cost more than the work: no adaptive plans, expressions
    compiled only where a stage has more than 10,000 new rows, a compiler that starts at once. Up to Munich's size,
    where most work is Python's, it costs nothing."""
    shuffle_partitions: int = 2
    """Partitions of a shuffle: about one a core on a small machine, two to three a core on a cluster."""
    conf: dict[str, str] = field(default_factory=dict)
    """Anything else that Spark knows, by its own name."""


@dataclass(frozen=True)
class Schedule:
    """When Airflow starts by itself."""

    ingest: str = ""
    """Cron expression or preset such as `@daily`; empty: only by hand or over the API."""


@dataclass(frozen=True)
class Settings:
    """All of it."""

    places: Places
    sources: dict[str, Source]
    deidentify: Deidentify = Deidentify()
    crop: Crop = Crop()
    tiles: Tiles = Tiles()
    split: Split = Split()
    release: Release = Release()
    spark: Spark = Spark()
    schedule: Schedule = Schedule()
    lease_seconds: float = 60.0
    """A stage's lease that was not renewed for so long may be taken over."""

    def zone_root(self, zone: str) -> str:
        """URI of a zone's root, without a slash at its end."""
        own: str = getattr(self.places, zone)
        return (own or f"{self.places.lake.rstrip('/')}/{zone}").rstrip("/")

    def key_path(self) -> Path:
        """The file that holds the pseudonym key.

        Raises:
            SettingsError: none is named, or the value is not of the form `@path`.
        """
        value = self.places.key or os.environ.get("HEMALAKE_KEY", "")
        if not value.startswith("@"):
            raise SettingsError(
                'no pseudonym key: set `key = "@path/of/key"` under [places], or HEMALAKE_KEY=@path. '
                "Make one with `head -c 32 /dev/urandom > path`."
            )
        return Path(value[1:])

    def digest(self, *parts: str) -> str:
        """SHA-256 of the named parts of the settings: what a stage's output depends on."""
        chosen = {part: _plain(getattr(self, part)) for part in sorted(parts)}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def load_settings(path: str | Path) -> Settings:
    """Read a TOML file.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds a setting that is unknown, missing or of a wrong type.
    """
    file = Path(path)
    try:
        raw = tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise SettingsError(f"no settings at {file}. Name them with --settings FILE.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from None
    settings: Settings = _build(Settings, raw, "")
    return _checked(_resolved(settings, file.resolve().parent))


def _build(kind: Any, raw: Any, where: str) -> Any:
    """Make a value of the annotated type from parsed TOML, naming the setting in every complaint."""
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        return _build(next(a for a in typing.get_args(kind) if a is not type(None)), raw, where)
    if origin is dict:
        _expect(isinstance(raw, dict), where, "a table")
        return {name: _build(typing.get_args(kind)[1], value, f"{where}.{name}") for name, value in raw.items()}
    if origin is tuple:
        _expect(isinstance(raw, list), where, "a list")
        return tuple(_build(typing.get_args(kind)[0], value, where) for value in raw)
    if is_dataclass(kind):
        _expect(isinstance(raw, dict), where, "a table")
        return _build_dataclass(kind, raw, where)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    _expect(isinstance(raw, kind) and not (kind is int and isinstance(raw, bool)), where, f"a {kind.__name__}")
    return raw


def _build_dataclass(kind: Any, raw: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    for name in raw:
        if name not in known:
            raise SettingsError(f"unknown setting `{_dotted(where, name)}`; known here: {', '.join(sorted(known))}.")
    for f in fields(kind):
        if f.name not in raw and f.default is MISSING and f.default_factory is MISSING:
            raise SettingsError(f"the setting `{_dotted(where, f.name)}` is missing.")
    return kind(**{name: _build(hints[name], value, _dotted(where, name)) for name, value in raw.items()})


def _expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise SettingsError(f"the setting `{where}` must be {what}.")


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _resolved(settings: Settings, folder: Path) -> Settings:
    """Turn plain and relative paths into URIs that count from the settings' folder."""
    places = asdict(settings.places)
    for name in ("lake", "landing", "restricted", "curated", "released"):
        if places[name] and ":/" not in places[name]:
            places[name] = (folder / places[name]).resolve().as_uri()
    if places["key"].startswith("@"):
        places["key"] = f"@{(folder / places['key'][1:]).resolve()}"
    sources = {
        name: replace(source, vocabulary=str((folder / source.vocabulary).resolve()))
        if source.vocabulary.endswith(".csv")
        else source
        for name, source in settings.sources.items()
    }
    return replace(settings, places=Places(**places), sources=sources)


def _checked(settings: Settings) -> Settings:
    """Refuse values that are of the right type but cannot work."""
    split, crop = settings.split, settings.crop
    _expect(
        0 < split.train < 1 and 0 <= split.validation < 1 - split.train,
        "split",
        "shares that leave a test side",
    )
    _expect(1 <= crop.size <= 4096, "crop.size", "between 1 and 4096")
    _expect(crop.context == 0 or crop.size < crop.context <= 8192, "crop.context", "0, or more than crop.size, to 8192")
    _expect(crop.mpp == 0 or 0.02 <= crop.mpp <= 20, "crop.mpp", "0, or 0.02 to 20")
    _expect(crop.border in ("pad", "shift", "skip"), "crop.border", "`pad`, `shift` or `skip`")
    _expect(crop.encoding in ("png", "jxl", "jpeg"), "crop.encoding", "`png`, `jxl` or `jpeg`")
    _expect(len(crop.pad) == 3 and all(0 <= c <= 255 for c in crop.pad), "crop.pad", "three numbers from 0 to 255")
    _expect(0 <= crop.same_cell_iou <= 1, "crop.same_cell_iou", "a share from 0 to 1")
    tiles = settings.tiles
    _expect(0 <= tiles.size <= 4096, "tiles.size", "0, or up to 4096")
    _expect(0.02 <= tiles.mpp <= 20, "tiles.mpp", "0.02 to 20")
    _expect(0 <= tiles.overlap < max(tiles.size, 1), "tiles.overlap", "less than tiles.size")
    _expect(0 <= tiles.least_tissue <= 1, "tiles.least_tissue", "a share from 0 to 1")
    looked = settings.deidentify.look_for_text
    _expect(looked in ("fields", "all", "none"), "deidentify.look_for_text", "`fields`, `all` or `none`")
    _expect(settings.release.rows_per_file > 0, "release.rows_per_file", "more than 0")
    _expect(settings.release.k > 1, "release.k", "more than 1")
    for name, source in settings.sources.items():
        _expect(source.patients in ("named", "none"), f"sources.{name}.patients", "`named` or `none`")
    for place in (settings.places.lake, settings.places.landing):
        _expect(place.startswith(("file:///", "s3a://")), "places", "URIs that begin with file:/// or s3a://")
    return settings


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
