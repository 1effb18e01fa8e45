"""Pseudonyms by keyed HMAC: equal things stay equal, and nobody without the key can tell which they were.

HMAC-SHA256 (RFC 2104) under one key a data set. An unkeyed hash of a patient number is undone by trying all
numbers.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from jobs.errors import SettingsError

KEY_BYTES = 32
"""Shortest key that is accepted."""
LONGEST_SHIFT = 365
"""Dates move back by 1 to this many days."""
_REMEMBERED = 1 << 12
"""UIDs: a file names its study, series and references again and again."""


class Pseudonyms:
    """Pseudonyms, UIDs and date shifts under one key.

    The key shows in no attribute that `repr`, `vars` of a table row or an error would print.
    """

    __slots__ = ("_key", "_uids")

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise SettingsError(f"The pseudonym key has fewer than {KEY_BYTES} bytes. Make one with `openssl rand`.")
        self._key = bytes(key)
        self._uids = lru_cache(maxsize=_REMEMBERED)(self._uid)

    @classmethod
    def from_file(cls, path: str | Path) -> Pseudonyms:
        """Read the key from a file, without the line end that an editor adds."""
        try:
            key = Path(path).read_bytes()
        except OSError:
            raise SettingsError("The pseudonym key file cannot be read. Check its path and permissions.") from None
        stripped = key.rstrip(b"\r\n")
        return cls(stripped if len(stripped) >= KEY_BYTES else key)

    def __repr__(self) -> str:
        return "Pseudonyms(key withheld)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("The pseudonym key is not sent between processes: read it from its file where it is used.")

    def key_for(self, kind: str, *parts: str) -> str:
        """Return 32 hex digits for a thing of a kind; each part counts with its length, so no two lists
        collide."""
        return self._digest(kind, *parts).hex()[:32]

    def uid(self, uid: str) -> str:
        """Return the UID that stands for `uid`: 2.25 and 128 bits as a decimal number (PS3.5 section B.2)."""
        return self._uids(uid)

    def _uid(self, uid: str) -> str:
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def shift_days(self, patient_id: str) -> int:
        """Return by how many whole days the patient's dates move: -365 to -1, never 0."""
        return -1 - int.from_bytes(self._digest("shift", patient_id)[:8], "big") % LONGEST_SHIFT

    def _digest(self, kind: str, *parts: str) -> bytes:
        encoded = [part.encode("utf-8", "surrogatepass") for part in (kind, *parts)]
        message = b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
        return hmac.digest(self._key, message, hashlib.sha256)
