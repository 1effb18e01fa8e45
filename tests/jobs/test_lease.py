"""One writer a stage: a living owner is respected, a dead one is succeeded."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from jobs.errors import LeaseHeld
from jobs.lease import Lease
from jobs.store import Store


@pytest.fixture
def uri(tmp_path):
    return (tmp_path / "leases" / "crop.json").as_uri()


def test_a_second_writer_is_told_to_wait(uri):
    with Lease(Store(), uri, "crop", 60), pytest.raises(LeaseHeld, match="another process is writing stage `crop`"):
        Lease(Store(), uri, "crop", 60).__enter__()


def test_a_lease_ends_with_its_context(uri):
    for _ in range(2):
        with Lease(Store(), uri, "crop", 60):
            pass
    assert not Store().exists(uri)


def test_the_lease_of_a_killed_process_is_taken_over(uri):
    code = f"""
import os
from jobs.lease import Lease
from jobs.store import Store
Lease(Store(), {uri!r}, "crop", 60).__enter__()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert Store().exists(uri)
    with Lease(Store(), uri, "crop", 60):
        pass


def test_a_lease_without_a_sign_of_life_is_taken_over(uri):
    Store().write(uri, json.dumps({"token": "t", "host": "elsewhere", "pid": 1, "beat": time.time() - 61}).encode())
    with Lease(Store(), uri, "crop", 60):
        pass


def test_a_fresh_lease_of_another_host_is_respected(uri):
    Store().write(uri, json.dumps({"token": "t", "host": "elsewhere", "pid": 1, "beat": time.time()}).encode())
    with pytest.raises(LeaseHeld):
        Lease(Store(), uri, "crop", 60).__enter__()


def test_a_heartbeat_keeps_a_lease_alive(uri):
    with Lease(Store(), uri, "crop", 0.4):
        time.sleep(1)
        with pytest.raises(LeaseHeld):
            Lease(Store(), uri, "crop", 0.4).__enter__()
