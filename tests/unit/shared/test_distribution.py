"""The core without extras, and what is said where an extra is missing."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.core_environment import ROOT, make_core_environment, run_python
from tools.lock import APART

from so8t_shared.distribution import EXTRAS, install_command, missing_packages, need_extras, version
from so8t_shared.errors import MissingExtra
from so8t_shared.stages import STAGES

HEAVY = ["numpy", "scipy", "jinja2", "torch", "transformers", "pandas", "matplotlib", "httpx", "xllamacpp"]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an installation without extras."""
    return make_core_environment(tmp_path_factory.mktemp("core"))


def _project() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_module_has_an_extra_and_every_stage_is_in_all() -> None:
    """EXTRAS and pyproject.toml name the same extras; `all` is what stages, notifications and services need."""
    extras = _project()["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) | {"ui"} == set(extras) - {"all"}  # the dashboard is no package yet
    stages = ",".join(dict.fromkeys(EXTRAS[stage.module] for stage in STAGES))
    assert extras["all"] == [f"so8t-ab[{stages},notify,gateway,ui]"]


def test_the_version_is_that_of_the_project() -> None:
    """One place has the version."""
    assert version() == _project()["project"]["version"]


def test_all_is_installed_here() -> None:
    """Where every locked extra is installed, nothing is missing."""
    locked = [module for module, extra in EXTRAS.items() if extra not in APART]
    assert [missing_packages(module) for module in locked] == [[]] * len(locked)
    need_extras([*locked, "tests.unit.shared.small_service"])


def test_the_heavy_packages_are_missing_in_the_core(core: dict[str, str]) -> None:
    """Importing the command line needs none of them, and this environment really has none."""
    code = f"""
import importlib.util, json, sys
import so8t_shared.cli.main
print(json.dumps([name for name in {HEAVY} if name in sys.modules or importlib.util.find_spec(name)]))"""
    done = run_python(core, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == []


def test_the_command_line_imports_nothing_heavy() -> None:
    """Not even where it is installed."""
    code = f"import json, sys, so8t_shared.cli.main; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["plan"], "convert-a"),
        (["config", "check"], "is a valid configuration"),
        (["artifacts", "ls"], "fingerprint"),
        (["status", "--all"], "session"),
    ],
)
def test_commands_of_the_core(
    core: dict[str, str], config_file: Path, command: list[str], says: str, said: Said
) -> None:
    """They work without extras; what cannot be checked without them is a note."""
    done = run_python(core, "-m", "so8t_shared.cli", *command, "-c", config_file)
    assert (done.returncode, says in done.stdout) == (0, True), done.stderr
    said(done.stderr)


def test_logs_without_a_session(core: dict[str, str], config_file: Path, said: Said) -> None:
    """`logs` reads the store; that there is nothing yet is all it has to say."""
    done = run_python(core, "-m", "so8t_shared.cli", "logs", "train", "-c", config_file)
    assert done.returncode == 2
    said(done.stderr)


@pytest.mark.parametrize(
    ("command", "extras"),
    [
        (["-m", "so8t_shared.cli", "run", "-c", "{config}"], "convert,evaluate,report,train"),
        (["-m", "so8t_shared.cli", "stage", "train", "-c", "{config}"], "train"),
        (["-m", "so8t_shared.cli", "demo", "--folder", "{folder}"], "convert,demo,evaluate,report,train"),
        (["-m", "so8t_shared.cli", "demo", "--inputs-only", "--folder", "{folder}"], "demo"),
        (["-m", "so8t_demo", "model", "--out", "{folder}"], "demo"),
    ],
)
def test_what_needs_an_extra_names_it(
    core: dict[str, str], config_file: Path, tmp_path: Path, command: list[str], extras: str
) -> None:
    """What is missing, and the one line that installs it; exit code 2, no traceback, and nothing was written."""
    folder = tmp_path / "demo"
    arguments = [part.format(config=config_file, folder=folder) for part in command]
    done = run_python(core, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[0].startswith("Required packages are not installed: ")
    assert done.stderr.splitlines()[-1] == f"  to do: pip install 'so8t-ab[{extras}]'"
    assert not folder.exists()


def test_a_ladder_names_the_image_that_has_them(core: dict[str, str], said: Said) -> None:
    """An evaluator without torch says so before it waits for anyone, and which variable of compose.yaml helps."""
    code = """
from so8t_shared.config.model import Config
from so8t_shared.errors import MissingExtra
from so8t_shared.running.needs import need_others
from so8t_shared.stages import BY_NAME
raw = {"model_a": {"base_model": "m"}, "dataset": {"paths": ["rows"]}, "ab_test": {"ladder": True}}
try:
    need_others(BY_NAME["evaluate"], Config.model_validate(raw))
except MissingExtra as error:
    print(error, error.exit_code, sep="\\n")
"""
    *lines, code_of_it = run_python(core, "-c", code).stdout.splitlines()
    assert code_of_it == "2"
    said("\n".join(lines))


def test_the_error_has_the_packages_and_the_command() -> None:
    """One command for several modules, extras in order."""
    assert install_command(["so8t_trainer", "so8t_converter"]) == "pip install 'so8t-ab[convert,train]'"
    assert MissingExtra("x").exit_code == 2
