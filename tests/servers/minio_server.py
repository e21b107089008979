"""A real MinIO server on this host: started, stopped, paused and killed as a test likes."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider
from tests.servers.needed import binary, free_port

_READY_S = 180.0
_TRAFFIC = re.compile(r'^minio_api_requests_traffic_(received|sent)_bytes\{.*type="s3"\} (\S+)$', re.MULTILINE)
_COUNTED_ANEW_S = 1.5
"""The server remembers its answer about its counters for a second."""


@dataclass(frozen=True)
class Keys:
    """An access key and its secret, made up for one test run."""

    access_key: str
    secret_key: str

    def write(self, path: Path) -> Path:
        """The file that a service reads them from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"accessKey": self.access_key, "secretKey": self.secret_key}))
        path.chmod(0o600)
        return path


@dataclass(frozen=True)
class Traffic:
    """Bytes of all requests and answers, headers included."""

    received: int
    sent: int

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(self.received - earlier.received, self.sent - earlier.sent)


class MinioServer:
    """One server process; its data outlives it, so that it can be started again."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.host = host
        self.port = free_port()
        self.root = Keys("root" + secrets.token_hex(4), secrets.token_hex(16))
        self._prefix = list(prefix)
        self.certificates: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.root.write(folder / "root.json")

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"

    @property
    def root_file(self) -> Path:
        """Credentials file of the user who may do everything."""
        return self.folder / "root.json"

    @property
    def pid(self) -> int:
        """Number of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        environment = {
            **os.environ,
            "MINIO_ROOT_USER": self.root.access_key,
            "MINIO_ROOT_PASSWORD": self.root.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
            "HOME": str(self.folder),
        }
        address = f"{self.host}:{self.port}"
        command = [*self._prefix, str(binary("minio")), "server", "--quiet", "--address", address]
        if self.certificates:
            command += ["--certs-dir", str(self.certificates)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self.folder / "data")], env=environment, stdout=log, stderr=log
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it answers; fails the test with its log when it never does."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"MinIO ended:\n{self.log()}"
            try:
                with urllib.request.urlopen(f"{self.endpoint}/minio/health/ready", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        raise AssertionError(f"MinIO never answered:\n{self.log()}")

    def traffic(self) -> Traffic:
        """What it has counted since it was started."""
        time.sleep(_COUNTED_ANEW_S)
        with urllib.request.urlopen(f"{self.endpoint}/minio/metrics/v3/api/requests", timeout=10) as answer:
            counted = {name: int(float(value)) for name, value in _TRAFFIC.findall(answer.read().decode())}
        return Traffic(counted.get("received", 0), counted.get("sent", 0))

    def log(self) -> str:
        """The end of what it printed."""
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    def pause(self) -> None:
        """Let it hang: connections stay, answers do not come."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it as `kill -9` does; absent is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self, keys: Keys | None = None) -> Minio:
        """A plain client that shares nothing with the code under test."""
        who = keys or self.root
        return Minio(
            f"{self.host}:{self.port}",
            access_key=who.access_key,
            secret_key=who.secret_key,
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(retries=urllib3.Retry(total=3, backoff_factor=0.2)),
        )

    def admin(self) -> MinioAdmin:
        """Users, policies and quotas."""
        return MinioAdmin(
            endpoint=f"{self.host}:{self.port}",
            credentials=StaticProvider(self.root.access_key, self.root.secret_key),
            region="us-east-1",
            secure=False,
        )

    def new_user(self, bucket: str, statements: list[dict[str, Any]]) -> Keys:
        """A user with that policy alone."""
        keys = Keys("user" + secrets.token_hex(4), secrets.token_hex(16))
        policy = self.folder / f"{keys.access_key}.json"
        policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        name = f"{bucket}-{keys.access_key}"
        self.admin().policy_add(name, str(policy))
        self.admin().user_add(keys.access_key, keys.secret_key)
        self.admin().policy_set(name, user=keys.access_key)
        return keys

    def new_bucket(self) -> str:
        """An empty bucket with a name of its own."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().make_bucket(name)
        return name

    def section(self, bucket: str, credentials: Path | None = None) -> dict[str, str]:
        """The configuration's section `store` for that bucket."""
        return {
            "endpoint": self.endpoint,
            "bucket": bucket,
            "credentials_file": str(credentials or self.root_file),
        }


@contextmanager
def running_minio(folder: Path, *, prefix: Sequence[str] = ()) -> Iterator[MinioServer]:
    """A server that is gone after the block, whatever happened to it inside; `prefix` starts the command line."""
    server = MinioServer(folder, prefix=prefix)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A server for all tests of a session; each uses a bucket of its own."""
    with running_minio(tmp_path_factory.mktemp("minio")) as server:
        yield server
