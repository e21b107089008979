"""A folder with a configuration, and the command line run in it as a user would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

PIPELINE = [sys.executable, "-m", "so8t_shared.cli"]


def message_of(done: subprocess.CompletedProcess[str], exit_code: int) -> str:
    """The one message, which ends what a command prints when it ends so: what happened, where, and what to do."""
    text = done.stdout + done.stderr
    assert done.returncode == exit_code, f"exit {done.returncode}\n{text}"
    assert "Traceback" not in text, text
    assert text.count("to do:") == 1, text
    message = re.search(r"^.*\n  where: (?s:.*)\Z", text, re.MULTILINE)
    assert message, text
    return message[0]


def without_seconds(value: Any) -> Any:
    """Results without the times in them, which differ from run to run."""
    if isinstance(value, dict):
        return {key: without_seconds(inner) for key, inner in value.items() if key != "seconds"}
    return [without_seconds(inner) for inner in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Workspace:
    """A user's folder."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def edit(self, **sections: Any) -> None:
        """Change keys of the configuration, section by section."""
        raw = yaml.safe_load(self.config.read_text())
        for section, values in sections.items():
            raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
        self.config.write_text(yaml.safe_dump(raw))

    def cli(self, *arguments: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
        """Run `so8t-ab` to its end."""
        return subprocess.run(
            [*PIPELINE, *arguments],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`so8t-ab run`; fails the test with the whole output when it does not succeed."""
        done = self.cli("run", "-c", "config.yaml", *arguments)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command in the background, by default `so8t-ab run`."""
        return subprocess.Popen(
            [*PIPELINE, *(arguments or ("run", "-c", "config.yaml"))],
            cwd=self.root,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=(self.root / "run.log").open("ab"),
        )

    def results_json(self) -> dict[str, Any]:
        """The newest ab_test_results.json."""
        found = sorted(self.results.glob("ab_test_results/*/ab_test_results.json"))
        assert found, "no ab_test_results.json"
        loaded: dict[str, Any] = json.loads(found[-1].read_text())
        return loaded

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Stage to manifest; every stage must have exactly one."""
        found: dict[str, dict[str, Any]] = {}
        for path in self.store.glob("artifacts/*/*/manifest.json"):
            stage = path.parts[-3]
            assert stage not in found, f"{stage} was computed for two fingerprints"
            found[stage] = json.loads(path.read_text())
        return found

    def snapshot(self, *, without: tuple[str, ...] = (".local",)) -> dict[str, tuple[int, int]]:
        """Path to (size, mtime) of all files of the store and the results."""
        files = [p for base in (self.store, self.results) for p in base.rglob("*") if p.is_file()]
        return {
            str(p.relative_to(self.root)): (p.stat().st_size, p.stat().st_mtime_ns)
            for p in files
            if not set(p.parts) & set(without)
        }


def environment() -> dict[str, str]:
    """The test's environment with one thread a process, so that runs beside each other do not spin."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}


def make_workspace(root: Path, model: Path, rows: Path, **sections: Any) -> Workspace:
    """A workspace whose pipeline takes well under a minute."""
    root.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "output_base_dir": "results",
        "checkpoint_dir": "store",
        "device": "cpu",
        "model_a": {"base_model": str(model), "description": "a random tiny model"},
        "dataset": {"paths": [str(rows)], "test_fraction": 0.25},
        "training": {
            "max_steps": 6,
            "batch_size": 4,
            "learning_rate": 0.002,
            "checkpoint_every_steps": 2,
            "lora": {"r": 4, "alpha": 8},
        },
        "gguf": {"quantizations": ["F16", "Q8_0", "Q4_K_M"]},
        "ollama": {"model_a_name": "tiny-base", "model_b_name": "tiny-retrained"},
        "ab_test": {"max_samples": 8, "max_new_tokens": 8, "num_ctx": 512, "threads": 1, "bootstrap_resamples": 500},
        "visualization": {"dpi": 50},
    }
    workspace = Workspace(root)
    workspace.config.write_text(yaml.safe_dump(config))
    workspace.edit(**sections)
    return workspace


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool], *, timeout_s: float = 240) -> bool:
    """SIGKILL the process as soon as `ready` says so; False when it ended before."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if ready():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.01)
    process.kill()
    process.wait()
    raise AssertionError("the moment to kill never came")


def wait_for_children(workspace: Workspace) -> None:
    """A killed run's stage gets SIGTERM from the kernel; wait until none has files of the workspace open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ours = [p for p in psutil.process_iter(["cwd", "status"]) if p.info["cwd"] == str(workspace.root)]
        if not [p for p in ours if p.info["status"] != psutil.STATUS_ZOMBIE]:
            return
        time.sleep(0.1)
    raise AssertionError("a stage outlived the run that started it")
