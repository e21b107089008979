"""The service as people start it: `so8t-ab think` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import yaml
from tests.unit.gateway.session import Prepared

_READY_S = 60.0
_STOP_S = 30.0


class Think:
    """One running service."""

    def __init__(self, tested: Prepared, *options: str, **think: Any) -> None:
        self.config_file = tested.root / f"think-{time.monotonic_ns()}.yaml"
        self._output = self.config_file.with_suffix(".out")
        self._errors = self.config_file.with_suffix(".err")
        self._raw = tested.config.model_dump(mode="json", exclude_unset=True)
        audit = {"folder": f"{self.config_file}-audit", "key_file": f"{self.config_file}-key"}
        self.configure(**{"port": 0, "poll_s": 0.3, "audit": audit, **think})
        with self._output.open("wb") as out, self._errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "so8t_shared.cli", "think", "-c", str(self.config_file), *options],
                stdout=out,
                stderr=err,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.address = self._wait()

    def configure(self, **think: Any) -> None:
        """Write the configuration file."""
        self._raw = {**self._raw, "think": {**self._raw.get("think", {}), **think}}
        self.config_file.write_text(yaml.safe_dump(self._raw))

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return self._errors.read_text(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Its log's lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def everything(self) -> str:
        """All that it has written anywhere."""
        return self.log + self._output.read_text(errors="replace")

    def ask(self, query: str, **more: Any) -> httpx.Response:
        """Ask at /think."""
        return httpx.post(f"{self.address}/think", json={"query": query, **more}, timeout=60)

    def stop(self) -> int:
        """End it as a service manager does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _wait(self) -> str:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            said = self._output.read_text()
            if "answering at " in said and said.endswith("\n"):
                return said.split("answering at ")[1].strip()
            assert self.process.poll() is None, f"the service ended:\n{self.log[-3000:]}"
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the service never answered:\n{self.log[-3000:]}")


@contextmanager
def running(tested: Prepared, *options: str, **think: Any) -> Iterator[Think]:
    """A service that is gone after the block."""
    service = Think(tested, *options, **think)
    try:
        yield service
    finally:
        service.stop()


def ollama_section(address: str) -> dict[str, Any]:
    """Sections of a configuration whose engine is that server."""
    return {"ab_test": {"engine": "ollama", "threads": 1}, "ollama": {"host": address, "model_b_name": "guard"}}


EMBEDDED: dict[str, Any] = {"ab_test": {"engine": "embedded", "threads": 1}}
