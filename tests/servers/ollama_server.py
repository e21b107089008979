"""A real Ollama server on this host: started, stopped and killed as a test likes."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from tests.servers.needed import binary, free_port

_READY_S = 60.0
_STOPPING_S = 20.0


class OllamaServer:
    """One server process; its models outlive it, so that it can be started again at the same address."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "models").mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Number of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers."""
        environment = {
            **os.environ,
            "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "OLLAMA_MODELS": str(self.folder / "models"),
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_FLASH_ATTENTION": "0",
            "OLLAMA_KEEP_ALIVE": "1m",
            "OLLAMA_MAX_LOADED_MODELS": "8",  # 3 by default: tests that share the server would unload each other's
            "HOME": str(self.folder),
            **self._variables,
        }
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binary("ollama")), "serve"], env=environment, cwd=self.folder, stdout=log, stderr=log
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until it answers; fails the test with its log when it never does."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, f"Ollama ended:\n{self.log()[-3000:]}"
            try:
                self.get("/api/version")
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"Ollama never answered:\n{self.log()[-3000:]}")

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at a path."""
        with urllib.request.urlopen(f"{self.address}{path}", timeout=30) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the server answers to a request, without our own client in between."""
        request = urllib.request.Request(f"{self.address}{path}", json.dumps({**body, "stream": False}).encode())
        with urllib.request.urlopen(request, timeout=120) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer

    def names(self) -> set[str]:
        """Names of its models."""
        return {model["name"] for model in self.get("/api/tags")["models"]}

    def create(self, name: str, modelfile: str) -> str:
        """Make a model, as `ollama create` does for its user; return the digest under which it is listed."""
        path = self.folder / "Modelfile"
        path.write_text(modelfile, encoding="utf-8")
        subprocess.run(
            [binary("ollama"), "create", name, "-f", path],
            env={**os.environ, "OLLAMA_HOST": self.address, "HOME": str(self.folder)},
            check=True,
            capture_output=True,
            timeout=120,
        )
        return self.digests()[name]

    def digests(self) -> dict[str, str]:
        """Digests of its models, by name."""
        return {model["name"]: model["digest"] for model in self.get("/api/tags")["models"]}

    def forget(self, name: str) -> None:
        """Delete a model, as `ollama rm` does."""
        body = json.dumps({"model": name}).encode()
        request = urllib.request.Request(f"{self.address}/api/delete", body, method="DELETE")
        with urllib.request.urlopen(request, timeout=30):
            pass

    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def stop(self) -> None:
        """End it as a service manager does; absent is fine."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOPPING_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it and the process that holds the model, as `kill -9` does; absent is fine."""
        if self._process is None:
            return
        children = psutil.Process(self.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.kill()
        self._process.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=_STOPPING_S)
        self._process = None


@contextmanager
def running_ollama(folder: Path, **variables: str) -> Iterator[OllamaServer]:
    """A server that is gone after the block, whatever happened to it inside; its models are kept in the folder."""
    server = OllamaServer(folder, **variables)
    server.start()
    try:
        yield server
    finally:
        server.kill()
