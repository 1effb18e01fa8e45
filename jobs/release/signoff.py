"""Sign-off: an append-only log of decisions, each bound to the hash of exactly what is to be released.

An entry is `decisions/<number>.json` of the restricted zone, put only where nothing is, and holds the SHA-256 of the
entry before it. So an entry that is changed, removed or slipped in breaks the chain, and nothing is published. It
needs no Spark, so that the command line and Airflow write it alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from jobs.errors import SignOffError, UsageError
from jobs.lake import Lake
from jobs.release.candidate import by_sha256

APPROVED, REFUSED = "approved", "refused"
ATTEMPTS = 20
_NAME = re.compile(r"\d{6,}\.json")


@dataclass(frozen=True)
class Decision:
    """One entry of the log."""

    number: int
    release_sha256: str
    candidate: str
    decision: str
    """`approved` or `refused`."""
    officer: str
    comment: str
    decided_at: str
    """UTC, ISO 8601."""
    by: str
    """How it was given: `command line` or `airflow`."""
    previous: str
    """SHA-256 of the entry before it; empty in the first."""

    @property
    def approved(self) -> bool:
        """Whether this allows the release."""
        return self.decision == APPROVED


def decide(lake: Lake, release_sha256: str, decision: str, *, officer: str, comment: str = "", by: str) -> Decision:
    """Append a decision on the candidate that has this hash; the later of two decisions on one hash holds.

    Raises:
        UsageError: the decision is neither `approved` nor `refused`, or nobody is named.
        SignOffError: no candidate has this hash, or the log was tampered with.
    """
    if decision not in (APPROVED, REFUSED):
        raise UsageError(f"a decision is `{APPROVED}` or `{REFUSED}`.")
    if not officer.strip():
        raise UsageError("a decision needs the name of the officer who takes it.")
    candidate = by_sha256(lake, release_sha256)
    for _ in range(ATTEMPTS):
        entries = _entries(lake)
        entry = Decision(
            number=len(entries) + 1,
            release_sha256=release_sha256,
            candidate=candidate.id,
            decision=decision,
            officer=officer.strip(),
            comment=comment.strip(),
            decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
            by=by,
            previous=hashlib.sha256(entries[-1][1]).hexdigest() if entries else "",
        )
        if lake.store.write_new(f"{_root(lake)}/{entry.number:06d}.json", _bytes(entry)):
            return entry
    raise SignOffError("others keep writing to the decisions log. Try again.")


def decisions(lake: Lake) -> list[Decision]:
    """Every decision, oldest first.

    Raises:
        SignOffError: an entry was changed, removed or slipped in.
    """
    return [entry for entry, _ in _entries(lake)]


def decision_for(lake: Lake, release_sha256: str) -> Decision | None:
    """The latest decision on this hash; None where there is none. Raises as `decisions` does."""
    return next((one for one in reversed(decisions(lake)) if one.release_sha256 == release_sha256), None)


def entry_sha256(decision: Decision) -> str:
    """SHA-256 of an entry as it lies in the log: published with the release, it anchors the log from outside."""
    return hashlib.sha256(_bytes(decision)).hexdigest()


def _entries(lake: Lake) -> list[tuple[Decision, bytes]]:
    """The log's entries with their bytes, after the chain was followed from the first to the last."""
    uris = [entry.uri for entry in lake.store.list(_root(lake)) if _NAME.fullmatch(entry.uri.rsplit("/", 1)[-1])]
    found: list[tuple[Decision, bytes]] = []
    previous = ""
    for number, uri in enumerate(sorted(uris, key=lambda uri: int(uri.rsplit("/", 1)[-1][:-5])), start=1):
        content = lake.store.read(uri)
        entry = _parse(content)
        named = int(uri.rsplit("/", 1)[-1][:-5])
        if entry is None or not entry.number == named == number or entry.previous != previous:
            raise SignOffError(
                f"the decisions log was tampered with: entry {number} does not follow the one before it. "
                "Nothing is released until it is restored from a backup."
            )
        previous = hashlib.sha256(content).hexdigest()
        found.append((entry, content))
    return found


def _parse(content: bytes) -> Decision | None:
    """The entry, where the bytes are exactly what `decide` writes."""
    try:
        entry = Decision(**json.loads(content))
    except (ValueError, TypeError):
        return None
    return entry if _bytes(entry) == content else None


def _bytes(entry: Decision) -> bytes:
    return (json.dumps(asdict(entry), indent=1, sort_keys=True) + "\n").encode()


def _root(lake: Lake) -> str:
    return f"{lake.settings.zone_root('restricted')}/decisions"
