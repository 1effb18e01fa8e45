"""One writer a stage: a lease with an owner and a heartbeat, taken over when its owner is gone."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from jobs.errors import LeaseHeld, StoreError
from jobs.settings import Settings
from jobs.store import Store
from schemas.stages import STAGES


def lease_of(store: Store, settings: Settings, stage: str) -> Lease:
    """The lease of one stage of a lake."""
    return Lease(store, f"{settings.zone_root('restricted')}/leases/{stage}.json", stage, settings.lease_seconds)


def all_leases(store: Store, settings: Settings) -> ExitStack:
    """Hold the leases of all stages of a lake, so that nothing is written meanwhile; raises as `Lease` does."""
    with ExitStack() as leases:
        for stage in STAGES:
            leases.enter_context(lease_of(store, settings, stage.name))
        return leases.pop_all()


class Lease(AbstractContextManager["Lease"]):
    """Holds the right to write one stage's tables while the context lasts.

    Raises:
        LeaseHeld: another process holds it, and was alive within `seconds`.
    """

    def __init__(self, store: Store, uri: str, stage: str, seconds: float) -> None:
        self._store, self._uri, self._stage, self._seconds = store, uri, stage, seconds
        self._owner = {"token": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Lease:
        if not self._store.write_new(self._uri, self._content()):
            self._take_over()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._current().get("token") == self._owner["token"]:
            self._store.delete(self._uri)

    def _take_over(self) -> None:
        held = self._current()
        if not self._abandoned(held):
            raise LeaseHeld(
                f"another process is writing stage `{self._stage}`. Wait for it to end; "
                f"if it was killed, its lease can be taken over {self._seconds:.0f} s after its last sign of life."
            )
        # The claim carries the dead owner's token, so that of several contenders one alone takes over.
        if not self._store.write_new(f"{self._uri}.after-{held.get('token', 'nobody')}", self._content()):
            raise LeaseHeld(f"another process is just taking over stage `{self._stage}`. Run it again later.")
        self._store.write(self._uri, self._content())

    def _content(self) -> bytes:
        return json.dumps({**self._owner, "beat": time.time()}).encode()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            self._store.write(self._uri, self._content())

    def _current(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._store.read(self._uri))
        except (StoreError, ValueError):
            return {}
        return found

    def _abandoned(self, found: dict[str, Any]) -> bool:
        """No sign of life for too long, or the owner was a process of this host that is no more."""
        if time.time() - found.get("beat", 0.0) > self._seconds:
            return True
        if found.get("host") != self._owner["host"]:
            return False
        try:
            os.kill(int(found["pid"]), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, KeyError):
            return False
        return False
