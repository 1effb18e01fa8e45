"""Plant trouble: broken files, shapes that cannot be, shapes and records whose partner is missing."""

from __future__ import annotations

from dataclasses import replace

from jobs.hospital import formats, records, tables
from jobs.hospital.collect import Collection
from jobs.hospital.dicom import instance
from jobs.hospital.plan import Case, Scan, Vote
from jobs.hospital.seeds import rng, uuid
from jobs.hospital.smear import paint_smear
from jobs.hospital.truth import Truth

LOST_SCAN = {"helsinki": "24BM09999-A1", "munich": "KM24-09999_01"}


def broken_files(folder: str, cases: list[Case], truth: Truth) -> dict[str, bytes]:
    """A file without bytes; from Helsinki a truncated DICOM file and a text named .dcm as well."""
    case = cases[0]
    person = case.person
    empty = f"{folder}/fields/{case.specimen}_empty.jpg"
    truth.break_(empty, "file", "empty_file")
    truth.identify(case.specimen, person.number, "accession_number", empty, "file_name")
    found = {empty: b""}
    if person.source != "helsinki":
        return found
    scan = _aborted(folder, case)
    cut = f"{scan.path}/1.dcm"
    whole = instance(scan, 1, "VOLUME", "NONE", paint_smear(scan), 256)
    found[cut] = whole[: len(whole) * 3 // 5]
    truth.break_(cut, "file", "truncated")
    truth.identify_name_of(scan, cut)
    truth.identify_person(person, cut, "name", "national_id", "pathology_number", "phone", "address")
    note = f"{folder}/slides/{case.specimen}-D4/1.dcm"
    found[note] = f"Scan of {person.full_name} ({person.pathology}) failed: no focus. To be repeated.\n".encode()
    truth.break_(note, "file", "wrong_format")
    truth.identify_person(person, note, "name", "pathology_number")
    truth.identify(case.specimen, person.number, "accession_number", note, "file_name")
    return found


def _aborted(folder: str, case: Case) -> Scan:
    """A further slide of the case, whose transfer broke off."""
    slide = next(scan for scan in case.scans if scan.kind == "smear")
    name = f"{case.specimen}-C3"
    seed = int(rng(slide.seed, "aborted").integers(1 << 62))
    return replace(
        slide,
        name=name,
        container=name,
        path=f"{folder}/slides/{name}",
        width=700,
        height=600,
        seed=seed,
        cells=(),
    )


def broken_shapes(collection: Collection, votes: list[Vote], truth: Truth) -> None:
    """Shapes without area, outside their scan, and without a scan, in all formats.

    Args:
        collection: of one delivery; gets the shapes.
        votes: of the delivery's scans, without those of withdrawn patients.
        truth: learns of them.
    """
    on_field = next(vote for vote in votes if vote.scan.is_field)
    on_slide = next(vote for vote in reversed(votes) if vote.scan.kind == "smear")
    xmin, ymin, _, ymax = formats.voc_box(on_field)
    wide, high = on_field.scan.width, on_field.scan.height
    without_area = [collection.add_box(on_field, (xmin, ymin, xmin - 1, ymax))]
    outside = [collection.add_box(on_field, (wide + 40, high // 2, wide + 110, high // 2 + 70))]
    dot = [on_slide.x, on_slide.y]
    flat = formats.feature_of({"type": "Polygon", "coordinates": [[dot, dot, dot, dot]]}, on_slide)
    without_area.append(collection.add_feature(on_slide.scan.name, flat, on_slide))
    beyond = [[-90.0, -60.0], [-30.0, -60.0], [-30.0, -10.0], [-90.0, -10.0], [-90.0, -60.0]]
    far = formats.feature_of({"type": "Polygon", "coordinates": [beyond]}, on_slide)
    outside.append(collection.add_feature(on_slide.scan.name, far, on_slide))
    collection.rows.append(formats.point(replace(on_slide, x=on_slide.scan.width + 75.5)))
    outside.append(f"{collection.points_path}#{len(collection.rows) - 1}")
    for place in without_area:
        truth.break_(place, "annotation", "box_without_area")
    for place in outside:
        truth.break_(place, "annotation", "outside_scan")
    _without_scan(collection, votes[:2], truth)


def _without_scan(collection: Collection, votes: list[Vote], truth: Truth) -> None:
    """Shapes on a scan that has not arrived: a GeoJSON file from Helsinki, rows of the point table from Munich."""
    source = votes[0].scan.source
    for vote in votes:
        lost = replace(vote, scan=replace(vote.scan, name=LOST_SCAN[source]))
        if source == "helsinki":
            shape = formats.feature_of({"type": "Point", "coordinates": [vote.x, vote.y]}, vote)
            place = collection.add_feature(lost.scan.name, shape, lost)
        else:
            place = collection.add_vote(lost, "csv")
        truth.break_(place, "annotation", "scan_missing")


def lost_observation(seed: int, source: str, position: int, path: str, truth: Truth) -> records.Resource:
    """An Observation of a patient whom no file describes, to stand at `position` of `path`."""
    person, value = tables.stranger(seed, source)
    unknown = replace(person, fhir_id=uuid(seed, "unknown", source))
    truth.break_(f"{path}#{position}", "record", "patient_missing")
    truth.identify(unknown.fhir_id, None, "fhir_id", path)
    truth.identify_person(unknown, path, "name")
    return records.blood_observation(seed, unknown, "hb", "2024-02-14T08:20:00+01:00", value, 0)


def lost_row(seed: int, source: str, position: int, path: str, truth: Truth) -> list[str]:
    """A laboratory row of someone whom no other file knows, to stand at `position` of `path`."""
    person, value = tables.stranger(seed, source)
    truth.break_(f"{path}#{position}", "record", "patient_missing")
    for kind in ("name", "national_id", "laboratory_number", "birth_date"):
        truth.identify_person(person, path, kind)
    return tables.laboratory_row(person, "2024-02-14T08:20:00+01:00", "hb", value, "not our patient?")
