"""Settings come from one TOML file; what is wrong with it is said by the setting's name."""

from __future__ import annotations

import pytest

from jobs.errors import SettingsError
from jobs.settings import load_settings

GOOD = """
[places]
lake = "lake"
landing = "landing"
key = "@pseudonym.key"
[sources.helsinki]
"""


def write(tmp_path, text):
    file = tmp_path / "hemalake.toml"
    file.write_text(text)
    return file


def test_relative_places_count_from_the_file(tmp_path):
    settings = load_settings(write(tmp_path, GOOD))
    assert settings.zone_root("curated") == (tmp_path / "lake" / "curated").as_uri()
    assert settings.key_path() == tmp_path / "pseudonym.key"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[places]\nlake = 'l'\n[sources]\n", "places.landing"),
        (
            GOOD + "[crop]\nsise = 250\n",
            r"crop\.sise.*known here: border, context, encoding, mpp, pad, same",
        ),
        (GOOD + "[crop]\nsize = 'large'\n", r"crop\.size.*int"),
        (GOOD + "[crop]\nsize = 0\n", r"crop\.size.*between"),
        (GOOD + "[crop]\ncontext = 250\n", r"crop\.context.*more than crop\.size"),
        (GOOD + "[crop]\nborder = 'mirror'\n", r"crop\.border.*pad"),
        (GOOD + "[crop]\nencoding = 'webp'\n", r"crop\.encoding.*jxl"),
        (GOOD + "[crop]\nmpp = 1000\n", r"crop\.mpp.*0\.02"),
        (GOOD + "[split]\ntrain = 0.9\nvalidation = 0.2\n", "split.*test side"),
        (GOOD.replace('"lake"', '"ftp://host/lake"'), "file:/// or s3a://"),
        ("not toml", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        load_settings(write(tmp_path, text))


def test_a_key_is_named_by_its_file_never_given(tmp_path, monkeypatch):
    monkeypatch.delenv("HEMALAKE_KEY", raising=False)
    settings = load_settings(write(tmp_path, GOOD.replace("@pseudonym.key", "0123456789abcdef")))
    with pytest.raises(SettingsError, match="@path") as error:
        settings.key_path()
    assert "0123456789abcdef" not in str(error.value)


def test_the_digest_depends_on_what_it_names_alone(tmp_path):
    one = load_settings(write(tmp_path, GOOD))
    two = load_settings(write(tmp_path, GOOD + "[crop]\nsize = 288\n"))
    assert one.digest("crop") != two.digest("crop")
    assert one.digest("split") == two.digest("split")
