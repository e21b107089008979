"""`docker compose --profile full up` with a tiny model, the real MinIO and the real Ollama; and what can follow it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import yaml
from tests.compose.engine import docker, run_command
from tests.compose.stack import BESIDE, SERVERS, SERVICES, Stack, make_stack, removed_afterwards, without_times
from tests.integration.workspace import message_of
from tests.messages import Said

pytestmark = pytest.mark.timeout(1800)


def _other(stack: Stack, name: str, **training: int) -> str:
    """Another configuration beside the stack's own, so another session in the same bucket; SO8T_CONFIG for it."""
    raw = yaml.safe_load((stack.folder / "configs" / "tiny.yaml").read_text())
    raw["training"].update(training)
    (stack.folder / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(raw))
    return f"configs/{name}.yaml"


def test_every_stage_ends_well_and_the_servers_stay(finished: tuple[Stack, str]) -> None:
    """Six stages with exit code 0; MinIO and Ollama go on, so that the next run and the models are there."""
    stack, _ = finished
    assert stack.states() == dict.fromkeys(SERVICES, ("exited", 0))
    assert {name: stack.state(name)[0] for name in SERVERS} == {
        "minio": "running",
        "minio-init": "exited",
        "ollama": "running",
    }


def test_the_last_line_tells_where_the_report_is(finished: tuple[Stack, str]) -> None:
    """The path is the one outside the container, and the files there belong to the user, not to root."""
    stack, printed = finished
    attached = stack.compose("--profile", "full", "logs", "--no-log-prefix", "reporter").stdout
    assert attached.rstrip().splitlines()[-1] == printed.rstrip().splitlines()[-1]
    said = re.fullmatch(r"Report: (\S+/report\.html)", printed.rstrip().splitlines()[-1])
    assert said
    report = Path(said[1])
    assert report.is_relative_to(stack.folder / "results")
    names = {p.name for p in report.parent.iterdir()}
    assert {"report.html", "report.md", "ab_test_results.json", "answers.csv", "junit.xml", "visualizations"} <= names
    assert report.stat().st_uid == (os.getuid() or 10001)


def test_ollama_was_asked_and_has_the_models(finished: tuple[Stack, str]) -> None:
    """The results come from the server, and the models stay there under their names, a tag a quantization."""
    stack, _ = finished
    assert stack.results()["evaluation"]["engine"]["name"] == "ollama"
    listed = stack.compose("exec", "-T", "ollama", "ollama", "list").stdout.split()
    for name in ("tiny-base", "tiny-retrained"):
        assert {f"{name}:f16", f"{name}:q8_0"} <= set(listed)


def test_all_containers_agreed_on_one_session(finished: tuple[Stack, str]) -> None:
    """Six containers that started at once, each with its own keys, made one session; the command line shows it."""
    stack, _ = finished
    done = stack.compose("run", "--rm", "--no-deps", "--entrypoint", "so8t-ab", "reporter", "status")
    for stage in ("convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"):
        assert re.search(rf"^\s*{stage}\s+(done|complete|reused)", done.stdout, re.MULTILINE), done.stdout
    assert len(list((stack.folder / "results" / "ab_test_results").iterdir())) == 1


def test_confinement_holds_inside(finished: tuple[Stack, str]) -> None:
    """Not root, no capability, no way to new ones, and nothing can be written but scratch, /tmp and results."""
    stack, _ = finished
    code = """
import os, json
def writable(folder):
    try:
        open(folder + "/probe", "w").close(); os.unlink(folder + "/probe"); return True
    except OSError as error:
        return error.strerror
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
places = ["/", "/usr/lib", "/work", "/work/configs", "/work/inputs", "/run/secrets", "/scratch", "/tmp"]
print(json.dumps({"uid": os.getuid(), "caps": status["CapEff"].strip(), "bound": status["CapBnd"].strip(),
                  "no_new": status["NoNewPrivs"].strip(), "writable": {p: writable(p) for p in places}}))
"""
    done = stack.compose("run", "--rm", "--no-deps", "--entrypoint", "python", "trainer", "-c", code)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["uid"] == int(_from_env(stack, "SO8T_UID")) != 0
    assert (found["caps"], found["bound"], found["no_new"]) == ("0" * 16, "0" * 16, "1")
    can = {place for place, answer in found["writable"].items() if answer is True}
    assert can == {"/scratch", "/tmp"}, found["writable"]
    assert found["writable"]["/"] == found["writable"]["/work/inputs"] == "Read-only file system"


def _from_env(stack: Stack, variable: str) -> str:
    lines = dict(line.split("=", 1) for line in (stack.folder / ".env").read_text().splitlines())
    return lines[variable]


@pytest.mark.parametrize("service", [*SERVICES, *SERVERS, *BESIDE])
def test_confinement_is_asked_of_the_engine(finished: tuple[Stack, str], service: str) -> None:
    """Every container has a user, limits, a read-only root, no core files, no capabilities and no new privileges."""
    stack, _ = finished
    assert stack.inspect(service)["Config"]["User"] == f"{_from_env(stack, 'SO8T_UID')}:{_from_env(stack, 'SO8T_GID')}"
    host = stack.inspect(service)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Privileged"] is False
    assert [(limit["Name"], limit["Hard"]) for limit in host["Ulimits"]] == [("core", 0)]
    assert host["Memory"] > 0 < host["PidsLimit"]


def test_keys_are_nowhere_but_in_their_files(finished: tuple[Stack, str]) -> None:
    """No secret is in what the engine tells of a container, in a log, or in what `make up` printed."""
    stack, printed = finished
    files = [p for p in (stack.folder / "secrets").iterdir() if p.suffix == ".json"]
    secrets = {json.loads(p.read_text())["secretKey"] for p in files}
    secrets |= {(stack.folder / "secrets" / n).read_text() for n in ("minio_root_password", "audit_key", "ui_token")}
    assert len(secrets) == len(SERVICES) + 6  # and the operator's, /think's two, the dashboard's two and the root's
    for service in (*SERVICES, *SERVERS, *BESIDE):
        text = json.dumps(stack.inspect(service)) + stack.logs(service) + printed
        assert not [s for s in secrets if s in text], f"a key is shown by {service}"


def test_a_stage_has_its_own_keys_alone(finished: tuple[Stack, str]) -> None:
    """One key file a stage, that of its own user, beside whom to notify; only MinIO and its set-up see the root's."""
    stack, _ = finished
    for service in SERVICES:
        mounts = {m["Destination"]: m for m in stack.inspect(service)["Mounts"]}
        secrets = {place: Path(m["Source"]).name for place, m in mounts.items() if place.startswith("/run/secrets")}
        assert secrets.pop("/run/secrets/notify_urls") in {"notify_urls", "notify_nobody"}
        assert secrets == {"/run/secrets/store.json": f"{service}.json"}
        writable = {place for place, m in mounts.items() if m["RW"]}
        assert writable == {"/scratch", "/results"} & set(mounts)


def test_servers_are_not_published_to_other_hosts(finished: tuple[Stack, str]) -> None:
    """MinIO, Ollama, /think and the dashboard listen on this host's loopback alone, and no stage on anything."""
    stack, _ = finished
    ports = {"minio": "9000/tcp", "ollama": "11434/tcp", "gateway": "8350/tcp", "ui": "8351/tcp"}
    for service, inner in ports.items():
        bound = {port: b for port, b in stack.inspect(service)["NetworkSettings"]["Ports"].items() if b}
        assert set(bound) == {inner}
        assert {b["HostIp"] for b in bound[inner]} == {"127.0.0.1"}
    for service in SERVICES:
        assert not stack.inspect(service)["HostConfig"]["PortBindings"]


def test_a_finished_run_is_reused(finished: tuple[Stack, str]) -> None:
    """Up again: every stage says so and ends with 0, and not one exported file is written anew."""
    stack, _ = finished
    began = {service: stack.inspect(service)["State"]["StartedAt"] for service in SERVICES}
    results = {p: p.stat().st_mtime_ns for p in (stack.folder / "results").rglob("*") if p.is_file()}
    stack.up()
    for service in SERVICES:
        assert stack.inspect(service)["State"]["StartedAt"] > began[service]
        stack.until(partial(_reused, stack, service, began[service]), f"{service} says that it reuses")
    assert {p: p.stat().st_mtime_ns for p in (stack.folder / "results").rglob("*") if p.is_file()} == results


def test_what_autostart_installs_resumes_and_is_removed(finished: tuple[Stack, str], tmp_path: Path) -> None:
    """Started as a scheduler does, with nothing of this shell: it finds the same project, ends well, and is gone."""
    stack, _ = finished
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\n")
    (programs / "systemctl").chmod(0o755)
    places = {"XDG_CONFIG_HOME": str(tmp_path / "home"), "PATH": f"{programs}:{os.environ['PATH']}"}
    stack.script("autostart", "install", "--containers", "--scheduler", "systemd", **places)
    [unit] = (tmp_path / "home").rglob("*.service")
    [line] = [line for line in unit.read_text().splitlines() if line.startswith("ExecStart=")]
    done = run_command(shlex.split(line.removeprefix("ExecStart=")), {**places, "HOME": str(tmp_path)}, timeout_s=600)
    assert done.stdout.splitlines()[-1].startswith("Report: ")
    assert not unit.exists()


def _reused(stack: Stack, service: str, since: str) -> bool:
    """Whether its last words are so: the engine may write them a moment after it has told the container's end."""
    return ": reused, nothing to do" in stack.logs(service, since=since).split("session")[-2]


def test_a_stage_alone_without_those_before_it(finished: tuple[Stack, str], said: Said) -> None:
    """The report profile on a configuration that was never run: 3, naming the stage that is missing."""
    stack, _ = finished
    config = _other(stack, "never", max_steps=5)
    done = stack.compose("run", "--rm", "reporter", check=False, SO8T_CONFIG=config, SO8T_WAIT_S="0")
    said(message_of(done, 3))


def test_one_profile_alone(finished: tuple[Stack, str]) -> None:
    """The train profile needs nothing but the bucket: the trainer runs, no other stage does."""
    stack, _ = finished
    others = {s: stack.inspect(s)["State"]["StartedAt"] for s in SERVICES if s != "trainer"}
    config = _other(stack, "train", max_steps=3)
    stack.compose("--profile", "train", "up", "--detach", SO8T_CONFIG=config)
    stack.until(lambda: stack.state("trainer")[0] == "exited", "the trainer's end")
    assert stack.state("trainer") == ("exited", 0)
    assert any(line.startswith("train: done") for line in stack.logs("trainer").splitlines()[-2:])
    assert {s: stack.inspect(s)["State"]["StartedAt"] for s in others} == others


def test_one_stage_elsewhere(finished: tuple[Stack, str], tmp_path: Path) -> None:
    """A second project on a network of its own, which shares nothing but MinIO's endpoint, trains alone.

    It is given endpoint, key file and configuration; the workstation's stages then find what it made.
    """
    stack, _ = finished
    config = _other(stack, "elsewhere", max_steps=4)
    box = _box(stack, tmp_path, config)
    with removed_afterwards(box):
        box.compose("create", "trainer")
        docker("network", "connect", "--alias", "team-bucket", f"{box.project}_store", stack.container("minio"))
        try:
            alone = ["run", "--rm", "--no-deps", "--entrypoint", "python", "trainer", "-c"]
            resolve = "import socket, sys\nfor name in sys.argv[1:]: print(name, bool(socket.getaddrinfo(name, 80)))"
            assert box.compose(*alone, resolve, "ollama", check=False).returncode != 0
            done = box.compose("run", "--rm", "trainer")
            assert "train: done" in done.stdout, done.stdout + done.stderr
            assert {s for s in (*SERVICES, *SERVERS) if box.container(s)} == {"trainer"}
        finally:
            docker("network", "disconnect", f"{box.project}_store", stack.container("minio"))
    again = stack.compose("run", "--rm", "trainer", SO8T_CONFIG=config)
    assert "train: reused" in again.stdout


def _box(stack: Stack, folder: Path, config: str) -> Stack:
    """The other host: the same compose file, a copy of model and data, the trainer's key file and nothing else."""
    shutil.copytree(stack.folder / "configs", folder / "configs")
    shutil.copytree(stack.folder / "inputs", folder / "inputs")
    shutil.copy2(stack.folder / "secrets" / "trainer.json", folder / "key.json")
    (folder / "key.json").chmod(0o444)
    (folder / ".env").touch()
    three = {
        "SO8T_STORE_ENDPOINT": "http://team-bucket:9000",
        "SO8T_CREDENTIALS": str(folder / "key.json"),
        "SO8T_CONFIG": config,
    }
    places = {
        "COMPOSE_ENV_FILES": str(folder / ".env"),
        "SO8T_CONFIGS": str(folder / "configs"),
        "SO8T_INPUTS": str(folder / "inputs"),
        "SO8T_INPUTS_AT": "inputs",
    }
    return Stack(folder, "so8t-test-box", {**three, **places})


def test_killed_in_every_stage_it_ends_the_same(
    finished: tuple[Stack, str], tmp_path: Path, tiny_llama: Path, tiny_rows: Path
) -> None:
    """`docker kill` in each stage, then up again: the results are those of the uninterrupted run.

    The trainer is also killed as the kernel does when memory runs out: then Docker itself starts it again.
    """
    uninterrupted, _ = finished
    with removed_afterwards(make_stack(tmp_path / "stack", tiny_llama, tiny_rows, "kill")) as stack:
        stack.compose("--profile", "full", "up", "--detach", "minio-init", "ollama")
        stack.until(lambda: stack.state("minio-init") == ("exited", 0), "the bucket and its users")
        stack.until(lambda: stack.healthy("ollama"), "Ollama")
        for service in SERVICES:
            stack.start_frozen(service)
            docker("kill", stack.container(service))
            assert stack.state(service) == ("exited", 137)
            if service == "trainer":
                os.kill(stack.start_frozen(service, lines=2), signal.SIGKILL)
                stack.until(lambda: stack.inspect("trainer")["RestartCount"] == 1, "Docker's own restart")
            stack.compose("--profile", "full", "up", "--detach", "--no-deps", service)
            stack.until(lambda: stack.state(service) == ("exited", 0), f"{service} ended")  # noqa: B023 - called at once
        stack.up()
        assert stack.states() == dict.fromkeys(SERVICES, ("exited", 0))
        assert without_times(stack.results()) == without_times(uninterrupted.results())
