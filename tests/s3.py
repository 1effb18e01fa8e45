"""A real S3 server for the tests: S3Proxy on loopback, over a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "hemalake", "AWS_SECRET_ACCESS_KEY": "only for tests", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The endpoint of a server that holds one bucket, `lake`; its keys are in the environment meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    (folder / "buckets" / "lake").mkdir(parents=True)
    properties = folder / "s3proxy.properties"
    properties.write_text(
        f"s3proxy.endpoint={endpoint}\ns3proxy.authorization=aws-v2-or-v4\n"
        f"s3proxy.identity={KEYS['AWS_ACCESS_KEY_ID']}\ns3proxy.credential={KEYS['AWS_SECRET_ACCESS_KEY']}\n"
        f"jclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={folder / 'buckets'}\n"
    )
    jars = Path(sys.prefix) / "s3" / "server" / "*"
    command = ["java", "-cp", str(jars), "org.gaul.s3proxy.Main", "--properties", str(properties)]
    before = dict(os.environ)
    os.environ.update(KEYS)
    with (folder / "s3proxy.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(port, server)
        yield endpoint
    finally:
        server.terminate()
        server.wait()
        os.environ.clear()
        os.environ.update(before)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, "the S3 server ended at once; see s3proxy.log"
        time.sleep(0.1)
    raise AssertionError("the S3 server did not start within 30 s")
