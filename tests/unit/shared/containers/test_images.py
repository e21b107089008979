"""Which images are built and needed: the large one for a ladder only where it is asked for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from tests.messages import Said

from so8t_shared.containers.checks import check_images
from so8t_shared.containers.engine import Engine
from so8t_shared.containers.images import SERVICES, build_images, choose_images, services
from so8t_shared.containers.inputs import chosen_configuration
from so8t_shared.containers.settings import for_configuration
from so8t_shared.errors import InputError


class _Recorder(Engine):
    """An engine that has the images named in HAS, and builds any; no Docker is needed to ask it."""

    def run(
        self, command: Sequence[str], *, timeout_s: float | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        held = command[-1].rpartition("/")[2].partition(":")[0] in os.environ["HAS"].split()
        if command[:2] == ["docker", "build"]:
            os.environ["BUILT"] += f" {command[command.index('--target') + 1]}"
        return subprocess.CompletedProcess(list(command), 0, "sha256:x" if held else "", "")

    def check(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SO8T_")]:
        monkeypatch.delenv(name)
    for name, value in (("ENV_FILE", str(tmp_path / ".env")), ("BUILT", ""), ("HAS", " ".join(SERVICES))):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SO8T_EVALUATOR", "")  # restored afterwards, whatever a test chose


def _choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ladder: bool) -> None:
    """As `so8t-ab up FILE` does."""
    raw = {"model_a": {"base_model": "inputs/m"}, "dataset": {"paths": ["inputs/rows"]}, "ab_test": {"ladder": ladder}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    for name, value in for_configuration(tmp_path / "my.yaml").items():
        monkeypatch.setenv(name, value)
    config = chosen_configuration()
    assert config
    choose_images(config)


def test_a_ladder_needs_the_image_that_climbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ladder it is built too, and Compose uses it; without one nothing changes."""
    assert chosen_configuration() is None  # the demo
    _choose(tmp_path, monkeypatch, ladder=False)
    assert (services(), os.environ["SO8T_EVALUATOR"]) == (list(SERVICES), "")
    _choose(tmp_path, monkeypatch, ladder=True)
    assert (services(), os.environ["SO8T_EVALUATOR"]) == ([*SERVICES, "climber"], "climber")
    build_images(_Recorder(), lambda _: None)
    assert os.environ["BUILT"].split() == [*SERVICES, "climber"]


def test_a_line_of_env_file_asks_for_it(tmp_path: Path) -> None:
    """For `docker compose up`, which knows no configuration."""
    (tmp_path / ".env").write_text("SO8T_EVALUATOR=climber\n")
    assert services() == [*SERVICES, "climber"]
    (tmp_path / ".env").write_text("SO8T_EVALUATOR=evaluator\n")
    assert services() == list(SERVICES)


def test_an_image_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """It is named, and how to build it: the command for the others alone would not build the one that climbs."""
    check_images(_Recorder())
    _choose(tmp_path, monkeypatch, ladder=True)
    with said.raised(InputError, where="docker images"):
        check_images(_Recorder())
    monkeypatch.setenv("HAS", "converter climber")
    with said.raised(InputError, where="docker images"):
        check_images(_Recorder())
