"""A real S3 server on this host: started, stopped, paused and killed as a test likes; one subclass per program."""

from __future__ import annotations

import json
import os
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
from typing import TypeVar

import urllib3
from minio import Minio
from tests.servers.needed import free_port

_READY_S = 180.0
_RETRIES = urllib3.Retry(total=10, backoff_factor=0.2, status_forcelist=(503,), respect_retry_after_header=False)
"""A server that is not quite ready asks for a pause of two minutes."""


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


class S3Server:
    """One server process; its data outlives it, so that it can be started again."""

    ready_path = "/"
    """Answers with 200 once the server is ready."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.host = host
        self.port = free_port()
        self.root = Keys("root" + secrets.token_hex(4), secrets.token_hex(16))
        self._prefix = list(prefix)
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self.root.write(folder / "root.json")

    def command(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def variables(self) -> dict[str, str]:
        """Environment variables beside the inherited ones."""
        raise NotImplementedError

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
        environment = {**os.environ, "HOME": str(self.folder), **self.variables()}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *self.command()], env=environment, cwd=self.folder, stdout=log, stderr=log
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it answers; fails the test with its log when it never does."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"{type(self).__name__} ended:\n{self.log()}"
            try:
                with urllib.request.urlopen(f"{self.endpoint}{self.ready_path}", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        raise AssertionError(f"{type(self).__name__} never answered:\n{self.log()}")

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
            http_client=urllib3.PoolManager(retries=_RETRIES),
        )

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


S = TypeVar("S", bound=S3Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    """The server, started; gone after the block, whatever happened to it inside."""
    server.start()
    try:
        yield server
    finally:
        server.kill()
