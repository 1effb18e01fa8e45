"""Annotation files with tokens wherever a tool writes paths, names and comments: none is in any row."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from jobs.deidentify.annotations import clean_shape
from jobs.errors import BadInput
from jobs.ingest.content import read_content
from jobs.pseudonyms import Pseudonyms
from jobs.settings import Source
from jobs.vocabulary import Vocabulary

SECRETS = Pseudonyms(bytes(range(32)))
VOCABULARY = Vocabulary("munich_bmc", "0123456789ab", frozenset({"BLA"}), {"blast": "BLA"})
TOKEN = "Zyxwvut"
SCAN = {"scan_id": "f" * 32, "patient_id": "P", "width_px": 640, "height_px": 480}


def geojson(label="blast"):
    properties = {
        "classification": {"name": label, "user": TOKEN, TOKEN: TOKEN},
        "name": TOKEN, "annotator": TOKEN, "examiner": TOKEN, "user": TOKEN, "comment": TOKEN, "description": TOKEN,
        "metadata": {"ANNOTATION_DESCRIPTION": TOKEN, TOKEN: TOKEN}, "path": f"C:\\Users\\{TOKEN}\\x.svs",
        "created": "2024-03-05T11:20:30Z",
    }  # fmt: skip
    ring = [[10, 20], [30, 20], [30, 60], [10, 60], [10, 20]]
    feature = {"type": "Feature", "id": TOKEN, "properties": properties, TOKEN: TOKEN,
               "geometry": {"type": "Polygon", "coordinates": [ring], TOKEN: TOKEN}}  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": [feature], "user": TOKEN}).encode()


def voc(label="blast"):
    return f"""<annotation verified="{TOKEN}"><folder>{TOKEN}</folder><filename>{TOKEN}.jpg</filename>
<path>/home/{TOKEN}/slides/{TOKEN}.jpg</path><source><database>{TOKEN}</database><annotator>{TOKEN}</annotator></source>
<size><width>640</width><height>480</height><depth>3</depth></size><owner>{TOKEN}</owner>
<object><name>{label}</name><pose>{TOKEN}</pose><comment>{TOKEN}</comment>
<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>60</ymax></bndbox></object></annotation>""".encode()


def table(label="blast"):
    head = "image,xmin,ymin,xmax,ymax,label,examiner,user,comment,path"
    return f"{head}\n{TOKEN}.jpg,10,20,30,60,{label},{TOKEN},{TOKEN},{TOKEN},/home/{TOKEN}/x.jpg\n".encode()


def shapes(suffix, data):
    path = f"helsinki/d1/annotations/{TOKEN}{suffix}"
    content = read_content(path, io.BytesIO(data), len(data), "helsinki", Source())
    for shape in content.shapes:
        yield {"annotated_at": datetime(2024, 3, 5, 11, 20, tzinfo=UTC), **shape, "path": path, "source": "helsinki"}


FORMS = [(".geojson", geojson), (".xml", voc), (".csv", table)]


@pytest.mark.parametrize(("suffix", "written"), FORMS)
def test_paths_and_users_do_not_survive(suffix, written):
    found = list(shapes(suffix, written()))
    assert found
    assert TOKEN in json.dumps(found, default=str)
    for shape in found:
        row = clean_shape({**shape, **SCAN}, SECRETS, VOCABULARY)
        assert TOKEN.lower() not in json.dumps(row, default=str).lower()
        assert row["label_code"] == "BLA"
        assert row["examiner_key"] == SECRETS.key_for("examiner", "helsinki", shape["examiner"])


@pytest.mark.parametrize(("suffix", "written"), FORMS)
def test_a_name_as_label_is_held(suffix, written):
    for shape in shapes(suffix, written(TOKEN)):
        with pytest.raises(BadInput) as caught:
            clean_shape({**shape, **SCAN}, SECRETS, VOCABULARY)
        assert TOKEN not in str(caught.value)
