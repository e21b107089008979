"""The lines that the documents put into .env, as compose resolves them; nothing is started."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.compose.engine import ROOT, environment, need_docker, run_command
from tests.compose.stack import SERVICES

from so8t_shared.containers.keys import make_keys


def _env_lines(page: str) -> list[str]:
    return re.findall(r"^echo (\w+=\S+) >> \.env", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)


def _resolved(env_file: Path, profile: str) -> dict[str, Any]:
    """All services of a profile, with the variables of this .env alone."""
    services: dict[str, Any] = _project(env_file, profile)["services"]
    return services


def _project(env_file: Path, profile: str) -> dict[str, Any]:
    need_docker()
    environ = {name: value for name, value in environment().items() if not name.startswith(("SO8T_", "COMPOSE_"))}
    command = ["docker", "compose", "--profile", profile, "config", "--format", "json"]
    done = run_command(command, {**environ, "COMPOSE_ENV_FILES": str(env_file)})
    project: dict[str, Any] = json.loads(done.stdout)
    return project


@pytest.mark.parametrize("page", ["containers.md", "gpu-box.md"])
def test_the_line_for_hosts_without_a_gpu(page: str, tmp_path: Path) -> None:
    """Once in .env, it holds for every command: no server and no stage of any profile asks for a GPU."""
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(line for line in _env_lines(page) if line.startswith("COMPOSE_FILE=")))
    services = _resolved(env_file, "*")
    assert {"trainer", "ollama"} <= set(services)
    assert [name for name, service in services.items() if "deploy" in service] == []


def test_the_bucket_stays_reachable_for_a_gpu_box(tmp_path: Path) -> None:
    """A later `up` of all stages finds MinIO as `serve` left it: it is not started anew at another address."""
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(_env_lines("gpu-box.md")))
    serve, full = (_resolved(env_file, profile)["minio"] for profile in ("serve", "full"))
    assert serve == full
    assert [port["host_ip"] for port in full["ports"]] == ["192.0.2.10"]


def test_the_lines_for_a_model_of_ones_own(tmp_path: Path) -> None:
    """They mount inputs/ where the shipped configurations look for model and data, and no more of the repository."""
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(line for line in _env_lines("containers.md") if line.startswith("SO8T_")))
    services = _resolved(env_file, "full")
    for name in ("converter-a", "trainer"):
        mounted = {v["target"]: v["source"] for v in services[name]["volumes"] if v["type"] == "bind"}
        assert mounted == {"/work/configs": str(ROOT / "configs"), "/work/inputs": str(ROOT / "inputs")}
        assert services[name]["environment"]["SO8T_CONFIG"] == "configs/my.yaml"


def test_addresses_to_notify_are_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage mounts the file that `secrets` names in .env, and without that line one that is always there."""
    env_file, keys = tmp_path / ".env", tmp_path / "keys"
    env_file.touch()
    assert Path(_project(env_file, "full")["secrets"]["notify_urls"]["file"]).is_file()
    for name, value in (("ENV_FILE", env_file), ("SO8T_SECRETS", keys), ("SO8T_RESULTS", tmp_path / "results")):
        monkeypatch.setenv(name, str(value))
    make_keys(lambda _: None)
    (keys / "notify_urls").write_text("json://host/hook-1234-secret\n")
    project = _project(env_file, "full")
    assert project["secrets"]["notify_urls"]["file"] == str(keys / "notify_urls")
    for name in SERVICES:
        mounted = [secret["source"] for secret in project["services"][name]["secrets"]]
        assert mounted == [name, "notify_urls"]
    assert "hook-1234" not in json.dumps(project)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_no_page_publishes_a_server_for_one_command(page: Path) -> None:
    """The next command without that variable would start the server anew, under the stages that use it."""
    assert not re.findall(r"^.*_PUBLISH=\S+ (?:docker|make) .*$", page.read_text("utf-8"), re.MULTILINE)
