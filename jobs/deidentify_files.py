"""De-identify a file or a folder of files without a lake: the engine of the stage, alone.

Two passes. The first reads who each file is about, by a parse of its own; the second cleans each file and
searches what came out for every identifier of every patient of the first. What does not pass leaves nothing
behind but its line in the map. Neither pass holds pixel data.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedRandom, BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO, cast

from jobs.deidentify.batch import Batch
from jobs.deidentify.images import SUFFIXES, deidentify_image
from jobs.deidentify.inspection import Inspection
from jobs.deidentify.pixel_ranges import pixel_ranges, searchable
from jobs.deidentify_inputs import Input, patient_of, read_input
from jobs.dicom import log
from jobs.dicom.log import LogEntry
from jobs.dicom.profile import Profile
from jobs.errors import BadInput, UsageError
from jobs.pseudonyms import Pseudonyms
from schemas.looks import Look, in_words
from schemas.reasons import Reason

_OBJECTS_BETWEEN = 50_000
"""New objects between two looks for unused cycles: a header makes thousands, which go together when it is done."""
_INDEX = re.compile(r"\[\d+\]")
_NAMED_BY = 1 << 20
"""Outputs are named by their first bytes and their size, and by all of their bytes where two are alike in these."""


@dataclass
class Result:
    """What became of one input: an output, or a reason why there is none."""

    input: str
    output: str | None = None
    reason: str | None = None
    note: str | None = None
    entries: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """(attribute path, action, rule, code) to how often; never a value."""
    look: Look = Look.NOT
    """How far its pixels were looked through for burned-in text."""


class Cleaner:
    """Cleans the files of a batch, one after another."""

    def __init__(self, pseudonyms: Pseudonyms, out: Path, batch: Batch, profile: Profile | None, look: bool) -> None:
        self._pseudonyms, self._out, self._batch, self._profile = pseudonyms, out, batch, profile
        self._look = look
        self._folders: set[str] = set()

    def __call__(self, file: Input) -> Result:
        """Clean one file into the output folder; the result says what became of it."""
        result = Result(str(file.path))
        if file.refused is not None:
            result.reason = file.refused
            return result
        part = self._out / f".{os.getpid()}.part"
        inspection = Inspection(lambda: file.path.open("rb"), wanted=self._look)
        try:
            with BytesIO() if file.is_small else part.open("w+b") as target:
                entries = self._clean(file, target, inspection)
                if self._look:
                    entries.append(inspection.entry)
                result.look = inspection.look
                result.entries = Counter(_without_index(entry) for entry in entries)
                if any(entry.rule == log.TRUNCATED for entry in entries):
                    result.note = log.TRUNCATED
                name, twin = self._name(file, target)
                if isinstance(target, BytesIO) and not twin:
                    part.write_bytes(target.getvalue())
            if not twin:
                self._make_folder(os.path.dirname(name))
                os.utime(part, (0, 0))
                os.replace(part, self._out / name)
            else:
                result.note = "same content as another output"
            result.output = name
        except BadInput as problem:
            result.reason = problem.reason
        finally:
            part.unlink(missing_ok=True)
        return result

    def _clean(self, file: Input, target: BinaryIO, inspection: Inspection) -> list[LogEntry]:
        patient = patient_of(file)
        try:
            with file.opened() as source:
                entries = deidentify_image(
                    source,
                    target,
                    media_type=file.media_type,
                    pseudonyms=self._pseudonyms,
                    patient_id=patient,
                    shift_days=self._pseudonyms.shift_days(patient),
                    profile=self._profile,
                    whole=False,
                    inspect=inspection,
                )
        except (BadInput, OSError):
            raise
        except Exception:  # the decoders of damaged files fail in many ways, and their messages quote them
            raise BadInput(Reason.UNREADABLE) from None
        target.flush()
        searched = searchable(target, file.media_type)
        if self._batch.found_in(searched, pixel_ranges(searched, file.media_type), file.found):
            raise BadInput(Reason.IDENTIFIER_FOUND)
        return entries

    def _make_folder(self, name: str) -> None:
        if name not in self._folders:
            (self._out / name).mkdir(exist_ok=True)
            self._folders.add(name)

    def _name(self, file: Input, target: BinaryIO) -> tuple[str, bool]:
        """The output's place, named by an HMAC of its content, and whether an equal one is there already."""
        folder = self._pseudonyms.key_for("patient", patient_of(file))
        size = target.seek(0, 2)
        target.seek(0)
        start = hashlib.sha256(target.read(_NAMED_BY)).hexdigest()
        name = f"{folder}/{self._pseudonyms.key_for('output', start, str(size))}.{SUFFIXES[file.media_type]}"
        if not (self._out / name).exists():
            return name, False
        ours = _digest(target)
        with (self._out / name).open("rb") as other:
            if _digest(other) == ours:
                return name, True
        name = f"{folder}/{self._pseudonyms.key_for('output', ours)}.{SUFFIXES[file.media_type]}"
        return name, (self._out / name).exists()


def run(
    source: Path,
    out: Path,
    key: Path,
    *,
    profile: Path | None = None,
    look: bool = False,
    jobs: int = 0,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Iterator[Result]:
    """Read who the files of `source` are about, then de-identify each into `out`, which must be new or empty.

    Returns one result an input, in their order; files are cleaned while it is iterated, by `jobs` processes (0: one a
    core). With `look`, pixels are decoded and looked through for burned-in text; without it nothing is decoded.

    Raises:
        UsageError: a path, the key or the profile cannot be used; nothing was written.
    """
    _check(source, out)
    pseudonyms = Pseudonyms.from_file(key)
    rules = Profile.from_file(profile) if profile else None
    paths = sorted(_files(source))
    if not paths:
        raise UsageError("the input holds no file.")
    ahead = Thread(target=importlib.import_module, args=("jobs.deidentify.pixel_search",))
    ahead.start()  # it loads while pixels are copied
    batch, files = Batch(), []
    for number, path in enumerate(paths):
        told("reading", number, len(paths))
        files.append(read_input(path))
        batch.add(files[-1].found)
        files[-1].found.names.clear()  # the batch has them
        files[-1].found.uids.clear()
    gc.set_threshold(_OBJECTS_BETWEEN)
    gc.freeze()  # the dictionaries of DICOM live as long as the process: to look through them again costs a tenth
    out.mkdir(parents=True, exist_ok=True)
    jobs = min(jobs or os.cpu_count() or 1, len(files))
    if jobs > 1:
        ahead.join()  # a fork would leave its locks held
    results = _cleaned(Cleaner(pseudonyms, out, batch, rules, look), files, jobs)
    return _told(files, results, told)


def _told(files: list[Input], results: Iterable[Result], told: Callable[[str, int, int], None]) -> Iterator[Result]:
    """Pass results on; of two inputs that share a SOP Instance UID but not their content, the later is noted."""
    outputs: dict[bytes, str] = {}
    for number, (file, result) in enumerate(zip(files, results, strict=True), 1):
        instance = file.found.instance
        if result.output and instance and outputs.setdefault(instance, result.output) != result.output:
            result.note = "another input has the same SOP Instance UID and other content"
        yield result
        told("cleaning", number, len(files))


def check_key(key: Path, report: Path | None) -> str:
    """Return what tells a key from others without telling it: an HMAC under it, for the report.

    Raises:
        UsageError: the key cannot be used, or an earlier report in the same place was made under another one.
    """
    mine = Pseudonyms.from_file(key).key_for("fingerprint")
    try:
        earlier = json.loads(report.read_text()).get("key_check", mine) if report and report.exists() else mine
    except (OSError, ValueError, AttributeError):
        raise UsageError("what lies at the place of the report is no report.") from None
    if earlier != mine:
        raise UsageError(
            "the report that lies there was made under another key, so that patients would get other pseudonyms. "
            "Nothing was written. Name the right key, or another place for the report."
        )
    return mine


def summary(results: Iterable[Result]) -> dict[str, Any]:
    """Counts of a run, free of values: files, refusals by reason, and what was done to which attribute."""
    files = passed = 0
    refused: Counter[str] = Counter()
    attributes: Counter[tuple[str, str, str, str]] = Counter()
    looks: Counter[Look] = Counter()
    for result in results:
        files += 1
        if result.output is not None:
            passed += 1
            looks[result.look] += 1
        if result.reason is not None:
            refused[result.reason] += 1
        attributes.update(result.entries)
    done = [
        {"path": path, "action": action, "rule": rule, "code": code, "count": count}
        for (path, action, rule, code), count in sorted(attributes.items())
    ]
    return {
        "files": files,
        "passed": passed,
        "refused": dict(sorted(refused.items())),
        "status": "pseudonymised",
        "burned_in_text": in_words(looks, refused[Reason.BURNED_IN_TEXT]),
        "attributes": done,
    }


def _cleaned(cleaner: Cleaner, files: list[Input], jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(cleaner, files)
        return
    from multiprocessing import get_context

    global _shared
    _shared = cleaner
    with get_context("fork").Pool(jobs) as pool:  # the key reaches the workers by inheritance, never by a pipe
        yield from pool.imap(_clean_shared, files, chunksize=4)


_shared: Cleaner | None = None


def _clean_shared(file: Input) -> Result:
    return cast(Cleaner, _shared)(file)


def _check(source: Path, out: Path) -> None:
    if not source.exists():
        raise UsageError("the input does not exist.")
    inside, outside = source.resolve(), out.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise UsageError("input and output must not lie in one another.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("the output folder must be new or empty: outputs of two runs or two keys are never mixed.")


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    for folder, _, names in os.walk(source):
        yield from (Path(folder, name) for name in names)


def _without_index(entry: LogEntry) -> tuple[str, str, str, str]:
    path = _INDEX.sub("", entry.path) if "[" in entry.path else entry.path
    return path, entry.action, entry.rule, entry.code or ""


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    return hashlib.file_digest(cast(BufferedRandom, stream), "sha256").hexdigest()


def write_results(results: Iterable[Result], to: Path) -> Iterator[Result]:
    """Pass results on, writing one JSON line each: the input, and its output or the reason why it has none."""
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        for result in results:
            shown = {
                "input": result.input,
                "output": result.output,
                "status": "refused" if result.reason else "passed",
                "reason": result.reason,
                "note": result.note,
            }
            file.write(json.dumps(shown) + "\n")
            yield result
