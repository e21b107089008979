"""The peers of bench/peers_ollama.py: how promptfoo, lm-eval and inspect_ai ask the rows, each in its own way.

Those of other benches are installed here, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.servers.ollama_server import OllamaServer

SIDES = ("a", "b")
PINNED = {
    "promptfoo": ["promptfoo@0.121.20"],
    "lm-eval": ["lm-eval[api]==0.4.13"],
    "inspect_ai": ["inspect-ai==0.3.285", "openai==3.57.0"],
    "trl": ["trl==1.16.0"],
}
LM_EVAL_TASK = """
task: so8t
dataset_path: json
dataset_kwargs: {data_files: {test: ROWS}}
test_split: test
output_type: generate_until
doc_to_text: "{{text}}"
doc_to_target: "{{target}}"
generation_kwargs: {until: ["<|im_end|>"], max_gen_toks: LIMIT, temperature: 0.0, do_sample: false}
metric_list: [{metric: exact_match}]
"""
INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def so8t():
    rows = json_dataset("rows.jsonl", FieldSpec(input="text", target="target"))
    return Task(dataset=rows, solver=generate(cache=False), scorer=includes())
"""

FLOOR = """
import http.client, json, sys
address, rows, *models = sys.argv[1:]
server = http.client.HTTPConnection(address.removeprefix("http://"))
for model in models:
    for row in open(rows):
        options = {"temperature": 0, "num_predict": 1}
        body = {"model": model, "prompt": json.loads(row)["text"], "options": options, "stream": False}
        server.request("POST", "/api/generate", json.dumps(body))
        server.getresponse().read()
"""


@dataclass(frozen=True)
class Setting:
    """Where everything is, and what is asked."""

    folder: Path
    peers: Path
    server: OllamaServer
    rows: int
    limit: int

    @property
    def tests(self) -> Path:
        """The rows, one {"text", "target"} a line."""
        return self.folder / "rows.jsonl"


Command = Callable[[], tuple[list[list[str]], dict[str, str], Callable[[], int]]]
"""Prepares a measurement: returns commands, variables, and a function that counts right answers afterwards."""


def cache_folder() -> Path:
    """Return the folder for what is installed once, as the Makefile and .ci do."""
    return Path(os.environ.get("SO8T_AB_CACHE") or Path.home() / ".cache" / "so8t-ab")


def install(peer: str, folder: Path) -> None:
    """Install a peer unless it is there."""
    place = folder / peer
    if (place / "installed").exists():
        return
    place.mkdir(parents=True, exist_ok=True)
    print(f"installing {', '.join(PINNED[peer])}", file=sys.stderr)
    if peer == "promptfoo":
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", place, *PINNED[peer]], check=True)
    elif peer == "trl":  # a folder for PYTHONPATH: its torch and transformers are the project's
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place]
        subprocess.run([*pip, *PINNED[peer]], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "--quiet", *PINNED[peer]], check=True)
    (place / "installed").touch()


def floor(setting: Setting) -> Command:
    """Return the measurement of a bare loop that asks one token a row: the least that any client can spend."""
    command = [sys.executable, "-c", FLOOR, setting.server.address, str(setting.tests)]
    return lambda: ([[*command, *(f"peer-{side}" for side in SIDES)]], {}, lambda: 0)


def promptfoo(setting: Setting, at_once: int) -> Command:
    """Return the measurement of promptfoo."""

    def prepare() -> tuple[list[list[str]], dict[str, str], Callable[[], int]]:
        options = {"temperature": 0, "num_predict": setting.limit}
        tests = [json.loads(line) for line in setting.tests.read_text().splitlines()]
        config = {
            "prompts": ["{{text}}"],
            "providers": [{"id": f"ollama:chat:peer-{side}", "config": options} for side in SIDES],
            "tests": [
                {"vars": {"text": one["text"]}, "assert": [{"type": "contains", "value": one["target"]}]}
                for one in tests
            ],
        }
        path, out = setting.folder / "promptfoo.json", setting.folder / "promptfoo-out.json"
        path.write_text(json.dumps(config))
        program = setting.peers / "promptfoo" / "node_modules" / ".bin" / "promptfoo"
        variables = {
            "OLLAMA_BASE_URL": setting.server.address,
            "PROMPTFOO_CONFIG_DIR": str(setting.folder),
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1",
        }
        command = [
            str(program),
            "eval",
            "-c",
            str(path),
            "--no-cache",
            "--no-table",
            "-j",
            str(at_once),
            "-o",
            str(out),
        ]
        return [command], variables, lambda: sum(one["success"] for one in _read(out)["results"]["results"])

    return prepare


def lm_eval(setting: Setting, at_once: int) -> Command:
    """Return the measurement of lm-eval."""

    def prepare() -> tuple[list[list[str]], dict[str, str], Callable[[], int]]:
        tasks, out = setting.folder / "lm-eval", setting.folder / "lm-eval-out"
        shutil.rmtree(out, ignore_errors=True)
        tasks.mkdir(exist_ok=True)
        task = LM_EVAL_TASK.replace("ROWS", json.dumps(str(setting.tests))).replace("LIMIT", str(setting.limit))
        (tasks / "so8t.yaml").write_text(task)
        address = f"{setting.server.address}/v1/completions,num_concurrent={at_once},tokenizer_backend=None"
        base = [str(setting.peers / "lm-eval" / "bin" / "lm-eval"), "run", "--model", "local-completions"]
        base += ["--tasks", "so8t", "--include_path", str(tasks), "--output_path", str(out), "--log_samples"]
        commands = [[*base, "--model_args", f"model=peer-{side},base_url={address}"] for side in SIDES]
        variables = {"HF_HOME": str(setting.folder / "hf"), "HF_HUB_OFFLINE": "1"}

        def right() -> int:
            lines = [line for path in out.rglob("samples_*.jsonl") for line in path.read_text().splitlines()]
            return sum(json.loads(line)["exact_match"] == 1 for line in lines)

        return commands, variables, right

    return prepare


def inspect_ai(setting: Setting, at_once: int | None) -> Command:
    """Return the measurement of inspect_ai."""

    def prepare() -> tuple[list[list[str]], dict[str, str], Callable[[], int]]:
        task, out = setting.folder / "inspect_task.py", setting.folder / "inspect-out"
        shutil.rmtree(out, ignore_errors=True)
        task.write_text(INSPECT_TASK)
        models = ",".join(f"ollama/peer-{side}" for side in SIDES)
        command = ["env", "-C", str(setting.folder), str(setting.peers / "inspect_ai" / "bin" / "inspect"), "eval"]
        command += [task.name, "--model", models]
        command += ["--temperature", "0", "--max-tokens", str(setting.limit), "--display", "plain"]
        command += ["--log-dir", str(out), "--log-format", "json"]
        command += [] if at_once is None else ["--max-connections", str(at_once)]
        variables = {"OLLAMA_BASE_URL": f"{setting.server.address}/v1"}

        def right() -> int:
            logs = [_read(path) for path in out.glob("*.json")]
            return sum(one["scores"]["includes"]["value"] == "C" for log in logs for one in log["samples"])

        return [command], variables, right

    return prepare


def _read(path: Path) -> Any:
    return json.loads(path.read_text())
