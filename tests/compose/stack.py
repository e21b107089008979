"""The shipped compose file with a tiny model: one project of its own, and what a test asks of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.compose.engine import PROGRAM, docker, environment, run_command
from tests.integration.workspace import without_seconds
from tests.servers.needed import free_port

SERVICES = ["converter-a", "trainer", "converter-b", "importer", "evaluator", "concluder", "reporter"]
SERVERS = ["minio", "minio-init", "ollama"]
BESIDE = ["gateway", "ui"]
_PATIENCE_S = 600.0
_SLICE_S = 0.02


@dataclass
class Stack:
    """One compose project: its files in a folder, its containers under a name of their own."""

    folder: Path
    project: str
    variables: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        """What a user would have exported or written to .env; nothing of this repository's own .env."""
        return {**environment(), **self.variables, "COMPOSE_PROJECT_NAME": self.project}

    def compose(
        self, *arguments: str, gpu: bool = False, check: bool = True, timeout_s: float = _PATIENCE_S, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose -f compose.yaml -f compose.cpu.yaml ...`; with `gpu` compose.yaml alone."""
        files = ["-f", "compose.yaml", *([] if gpu else ["-f", "compose.cpu.yaml"])]
        command = ["docker", "compose", *files, "--progress", "plain", *arguments]
        return run_command(command, {**self.environ, **variables}, check=check, timeout_s=timeout_s)

    def script(
        self, name: str, *arguments: str, check: bool = True, timeout_s: float = _PATIENCE_S, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """`so8t-ab <name>`, without a GPU unless CPU="" is given."""
        environ = {**self.environ, "CPU": "1", **variables}
        return run_command([*PROGRAM, name, *arguments], environ, check=check, timeout_s=timeout_s)

    def up(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """`make up`, which must succeed."""
        return self.script("up", **variables)

    def container(self, service: str) -> str:
        """Id of a service's container; '' before it was made."""
        labels = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [part for k, v in labels.items() for part in ("--filter", f"label=com.docker.compose.{k}={v}")]
        return docker("ps", "--all", "--quiet", *filters).stdout.strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)).stdout)
        return found[0]

    def state(self, service: str) -> tuple[str, int]:
        """Status, and the exit code of the last end."""
        state = self.inspect(service)["State"]
        return state["Status"], state["ExitCode"]

    def states(self) -> dict[str, tuple[str, int]]:
        """State of every stage."""
        return {service: self.state(service) for service in SERVICES}

    def logs(self, service: str, since: str = "") -> str:
        """All that a service has printed, from all its starts; or what it printed since a time."""
        command = ["docker", "logs", *(["--since", since] if since else []), self.container(service)]
        done = subprocess.run(
            command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        )
        return done.stdout

    def start_frozen(self, service: str, lines: int = 0) -> int:
        """Start a stage alone and stop it so many lines after it began to work; its pid.

        A quick stage would end before a signal reaches it. So it runs in slices, and its log is read while it is
        stopped.
        """
        self.compose("--profile", "full", "create", service)
        docker("start", self.container(service))
        state = self.inspect(service)["State"]
        pid = int(state["Pid"])
        os.kill(pid, signal.SIGSTOP)
        while self.logs(service, since=state["StartedAt"]).partition("running: ")[2].count("\n") <= lines:
            os.kill(pid, signal.SIGCONT)
            time.sleep(_SLICE_S)
            os.kill(pid, signal.SIGSTOP)
        return pid

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until a condition holds; fails the test with the stages' states when it never does."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"never came: {what}; {self.states()}"
            time.sleep(0.2)

    def healthy(self, service: str) -> bool:
        """Whether a service's own check says so."""
        return bool(self.inspect(service)["State"]["Health"]["Status"] == "healthy")

    def edit(self, **sections: Any) -> None:
        """Change keys of the configuration, section by section."""
        path = self.folder / "configs" / "tiny.yaml"
        raw = yaml.safe_load(path.read_text())
        for section, values in sections.items():
            raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
        path.write_text(yaml.safe_dump(raw))

    def results(self) -> dict[str, Any]:
        """The newest ab_test_results.json in the mounted folder."""
        found = sorted((self.folder / "results").glob("ab_test_results/*/ab_test_results.json"))
        assert found, "no ab_test_results.json"
        loaded: dict[str, Any] = json.loads(found[-1].read_text())
        return loaded

    def down(self) -> None:
        """Remove the containers, networks and volumes of this project."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "1", check=False)


def make_stack(folder: Path, model: Path, rows: Path, name: str, **sections: Any) -> Stack:
    """Configuration, keys and .env of one project; nothing is started."""
    for part in ("configs", "results"):
        (folder / part).mkdir(parents=True)
    inputs = folder / "inputs"
    (inputs / "data").mkdir(parents=True)
    _copy(model, inputs / "model")
    _copy(rows.parent, inputs / "data")
    variables = {
        "SO8T_CONFIG": "configs/tiny.yaml",
        "SO8T_CONFIGS": str(folder / "configs"),
        "SO8T_INPUTS": str(inputs),
        "SO8T_INPUTS_AT": "inputs",
    }
    stack = Stack(folder, f"so8t-test-{name}", own_places(folder) | variables)
    (folder / "configs" / "tiny.yaml").write_text(yaml.safe_dump(_configuration(rows.name)))
    stack.edit(**sections)
    stack.script("secrets")
    return stack


def own_places(folder: Path) -> dict[str, str]:
    """Settings that keep a project's keys, results and ports apart from this repository's own; its .env is empty."""
    (folder / ".env").touch()
    return {
        "COMPOSE_ENV_FILES": str(folder / ".env"),
        "ENV_FILE": str(folder / ".env"),
        "SO8T_RESULTS": str(folder / "results"),
        "SO8T_SECRETS": str(folder / "secrets"),
        "SO8T_MINIO_PUBLISH": f"127.0.0.1:{free_port()}",
        "SO8T_OLLAMA_PUBLISH": f"127.0.0.1:{free_port()}",
        "SO8T_THINK_PUBLISH": f"127.0.0.1:{free_port()}",
        "SO8T_UI_PUBLISH": f"127.0.0.1:{free_port()}",
        "UP_TIMEOUT_S": "580",
    }


@contextmanager
def removed_afterwards(stack: Stack) -> Iterator[Stack]:
    """The stack; its containers and volumes are gone after the block, whatever happened in it."""
    stack.down()  # what a killed test run may have left
    try:
        yield stack
    finally:
        stack.down()


def _configuration(rows: str) -> dict[str, Any]:
    return {
        "model_a": {"base_model": "inputs/model", "description": "a random tiny model"},
        "dataset": {"paths": [f"inputs/data/{rows}"], "test_fraction": 0.25},
        "training": {
            "max_steps": 6,
            "batch_size": 4,
            "learning_rate": 0.002,
            "checkpoint_every_steps": 2,
            "lora": {"r": 4, "alpha": 8},
        },
        "gguf": {"quantizations": ["F16", "Q8_0"]},
        "ollama": {"model_a_name": "tiny-base", "model_b_name": "tiny-retrained"},
        "ab_test": {"max_samples": 8, "max_new_tokens": 8, "num_ctx": 512, "threads": 1, "bootstrap_resamples": 500},
        "visualization": {"dpi": 50},
    }


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
        (target / file.name).chmod(0o644)


def without_times(results: dict[str, Any]) -> dict[str, Any]:
    """What must be the same in two runs of the same configuration: answers and statistics, no timings or names."""
    evaluation = results["evaluation"]
    kept = ("cells", "comparisons", "control", "baseline", "test_set", "gate")
    return {name: without_seconds(evaluation[name]) for name in kept}
