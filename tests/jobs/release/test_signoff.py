"""Without an approval of exactly these bytes nothing is released; the log of decisions cannot be changed unseen."""

from __future__ import annotations

import pytest

from jobs.errors import SignOffError, UsageError
from jobs.release.signoff import APPROVED, REFUSED, decide, decision_for, decisions, entry_sha256


def root(built) -> str:
    return built.lake.settings.zone_root("restricted") + "/decisions"


def say(built, decision: str, officer: str = "Dr. Demo"):
    return decide(built.lake, built.candidate.release_sha256, decision, officer=officer, by="command line")


def test_the_later_decision_on_a_hash_holds(copied):
    assert decision_for(copied.lake, copied.candidate.release_sha256) is None
    say(copied, REFUSED)
    assert not decision_for(copied.lake, copied.candidate.release_sha256).approved
    say(copied, APPROVED)
    assert decision_for(copied.lake, copied.candidate.release_sha256).approved
    log = decisions(copied.lake)
    assert [entry.number for entry in log] == [1, 2]
    assert (log[0].previous, log[1].previous) == ("", entry_sha256(log[0]))
    assert log[1].candidate == copied.candidate.id


def test_a_decision_needs_a_known_hash_a_word_and_a_name(copied):
    with pytest.raises(SignOffError, match="no candidate"):
        decide(copied.lake, "0" * 64, APPROVED, officer="Dr. Demo", by="airflow")
    with pytest.raises(UsageError, match="approved"):
        say(copied, "perhaps")
    with pytest.raises(UsageError, match="name"):
        say(copied, APPROVED, officer=" ")
    assert decisions(copied.lake) == []


def test_two_at_once_get_two_numbers(copied, monkeypatch):
    store = type(copied.lake.store)
    real, tries = store.write_new, []

    def overtaken(self, uri, data):
        if not tries:
            tries.append(uri)
            say(copied, REFUSED, "Somebody else")
        return real(self, uri, data)

    monkeypatch.setattr(store, "write_new", overtaken)
    assert say(copied, APPROVED).number == 2
    assert [entry.officer for entry in decisions(copied.lake)] == ["Somebody else", "Dr. Demo"]


@pytest.mark.parametrize("harm", ["changed", "removed", "slipped in", "no JSON"])
def test_tampering_with_the_log_is_noticed(copied, harm):
    for decision in (REFUSED, REFUSED, APPROVED):
        say(copied, decision)
    store, second = copied.lake.store, f"{root(copied)}/000002.json"
    content = store.read(second)
    if harm == "changed":
        store.write(second, content.replace(b"refused", b"approved"))
    elif harm == "removed":
        store.delete(second)
    elif harm == "slipped in":
        store.write(f"{root(copied)}/000004.json", content)
    else:
        store.write(second, b"{")
    with pytest.raises(SignOffError, match="tampered"):
        decisions(copied.lake)
    with pytest.raises(SignOffError, match="tampered"):
        say(copied, APPROVED)
