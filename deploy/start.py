"""From a fresh clone to the report, on any system with Python 3.11: what run.sh, run.ps1 and run.bat call.

    python deploy/start.py                      # everything; with Docker in containers, else with Python alone
    python deploy/start.py configs/my.yaml      # the same for your own model
    python deploy/start.py -- status            # any so8t-ab command, in the environment that this makes

It needs no package: it makes .venv-run with the core of so8t-ab, whose commands do the rest, and keeps a log in logs/.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = os.name == "nt"
SMALL, WHOLE = ROOT / ".venv-run", ROOT / ".venv"
_DEMO = "demo.yaml"


def main() -> int:
    """Command line; returns the exit code of the last command."""
    given = sys.argv[1:]
    at = given.index("--") if "--" in given else len(given)
    ours, command = given[:at], given[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="", help="your configuration; without it, the demo")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU, whatever Docker has")
    arguments = parser.parse_args(ours)
    os.chdir(ROOT)
    if command:
        return subprocess.run([*_core(), *command], check=False).returncode
    log = _log_file()
    print(f"log: {log}", flush=True)
    return _in_containers(arguments, log) if _docker_answers() else _with_python(arguments, log)


def _in_containers(arguments: argparse.Namespace, log: Path) -> int:
    print("Docker answers: the stages run in containers.", flush=True)
    config = [arguments.config] if arguments.config else []
    gpu = "--cpu" if arguments.cpu else "--gpu-optional"
    return _logged([*_core(), "up", *config, "--build", "--follow", gpu], log)


def _with_python(arguments: argparse.Namespace, log: Path) -> int:
    if WINDOWS:  # before gigabytes are installed for stages that cannot run here
        print(
            "Docker does not answer, and on Windows the stages run in it.\n  where: docker info\n"
            "  to do: start Docker Desktop, wait until it is running, then run the same command again",
            file=sys.stderr,
        )
        return 4
    print("Docker does not answer: the stages run with Python alone.", flush=True)
    program = _program(WHOLE)
    command = ["run", "-c", arguments.config] if arguments.config else ["demo"]
    return _logged([*program, *command], log)


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def _core() -> list[str]:
    """The command line of so8t-ab for commands that run no stage: an environment that has all is enough."""
    return _program(WHOLE if any(WHOLE.glob("ready-*")) else SMALL)


def _program(folder: Path) -> list[str]:
    """The command line of so8t-ab in an environment, which is made if it is missing or out of date."""
    python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
    stamp, lock = folder / "lock", (ROOT / "requirements.lock").read_text("utf-8")
    ready = folder.is_dir() and (any(folder.glob("ready-*")) or (stamp.is_file() and stamp.read_text("utf-8") == lock))
    if not ready:
        print(f"installing in {folder.name}, once ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        extras = (
            ["core", "build"]
            if folder == SMALL
            else ["core", "build", "convert", "train", "evaluate", "report", "demo"]
        )
        _install(python, extras)
        stamp.write_text(lock, "utf-8")
    return [str(python), "-m", "so8t_shared.cli"]


def _install(python: Path, extras: list[str]) -> None:
    """Install the locked packages of the extras, and the project itself."""
    tool = _lock_tool()
    text = (ROOT / "requirements.lock").read_text("utf-8")
    lines = {name: block for name, (block, needed) in tool.packages(text).items() if needed & set(extras)}
    chosen = ROOT / ".requirements.txt"
    chosen.write_text("".join(lines.values()), "utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        subprocess.run([*pip, "--require-hashes", "-r", str(chosen)], check=True)
    finally:
        chosen.unlink()
    subprocess.run([*pip, "--no-build-isolation", "-e", str(ROOT)], check=True)


def _lock_tool() -> ModuleType:
    """tools/lock.py, the home of the lock file's form."""
    spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _log_file() -> Path:
    folder = ROOT / "logs"
    folder.mkdir(exist_ok=True)
    return folder / time.strftime("run-%Y%m%d-%H%M%S.log")


def _logged(command: list[str], log: Path) -> int:
    """Run a command whose lines go to the terminal and to the log; returns its exit code."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    with (
        log.open("ab") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process,
    ):
        assert process.stdout is not None
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches the command, too, which tells what it kept
        try:
            for line in process.stdout:
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
                file.write(line)
                file.flush()
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
