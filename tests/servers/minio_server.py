"""A real MinIO server on this host, with users, policies and counters."""

from __future__ import annotations

import json
import re
import secrets
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from minio import MinioAdmin
from minio.credentials import StaticProvider
from tests.servers.needed import binary
from tests.servers.s3_server import Keys, S3Server, running

_TRAFFIC = re.compile(r'^minio_api_requests_traffic_(received|sent)_bytes\{.*type="s3"\} (\S+)$', re.MULTILINE)
_COUNTED_ANEW_S = 1.5
"""The server remembers its answer about its counters for a second."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of all requests and answers, headers included."""

    received: int
    sent: int

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(self.received - earlier.received, self.sent - earlier.sent)


class MinioServer(S3Server):
    """MinIO with one disk."""

    ready_path = "/minio/health/ready"
    certificates: Path | None = None

    def command(self) -> list[str]:
        """The program and its arguments."""
        folder = ["--certs-dir", str(self.certificates)] if self.certificates else []
        address = f"{self.host}:{self.port}"
        return [str(binary("minio")), "server", "--quiet", "--address", address, *folder, str(self.folder / "data")]

    def variables(self) -> dict[str, str]:
        """Environment variables beside the inherited ones."""
        return {
            "MINIO_ROOT_USER": self.root.access_key,
            "MINIO_ROOT_PASSWORD": self.root.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        }

    def traffic(self) -> Traffic:
        """What it has counted since it was started."""
        time.sleep(_COUNTED_ANEW_S)
        with urllib.request.urlopen(f"{self.endpoint}/minio/metrics/v3/api/requests", timeout=10) as answer:
            counted = {name: int(float(value)) for name, value in _TRAFFIC.findall(answer.read().decode())}
        return Traffic(counted.get("received", 0), counted.get("sent", 0))

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


@contextmanager
def running_minio(folder: Path, *, prefix: Sequence[str] = ()) -> Iterator[MinioServer]:
    """A server that is gone after the block, whatever happened to it inside; `prefix` starts the command line."""
    with running(MinioServer(folder, prefix=prefix)) as server:
        yield server


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A server for all tests of a session; each uses a bucket of its own."""
    with running_minio(tmp_path_factory.mktemp("minio")) as server:
        yield server
