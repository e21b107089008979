"""What a user forgets before the first start in containers is named before anything is built."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.messages import Said
from tests.tiny_data import write_rows

from so8t_shared.containers.inputs import check_inputs
from so8t_shared.containers.settings import for_configuration
from so8t_shared.errors import ConfigError, InputError


@dataclass
class _User:
    """A user's folders, and the settings that are in force."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    def configuration(self, at: str = "mine/my.yaml", **sections: object) -> Path:
        """A configuration as its author has it, on a drive."""
        raw = {"model_a": {"base_model": "D:/models/phi"}, "dataset": {"paths": ["D:\\rows"]}, **sections}
        path = self.folder / at
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(raw), "utf-8")
        return path

    def put(self, below: str = "") -> None:
        """The inputs, where a container sees them."""
        model = self.inputs / below / "models" / "phi"
        model.mkdir(parents=True)
        (model / "config.json").write_text(json.dumps({"architectures": ["Phi3ForCausalLM"]}), "utf-8")
        write_rows(self.inputs / below / "rows" / "rows.jsonl", per_class=1)

    def check(self, configuration: Path, *, no_gpu: bool = False) -> None:
        """As `so8t-ab up FILE` does."""
        for name, value in for_configuration(configuration).items():
            self.monkeypatch.setenv(name, value)
        check_inputs(no_gpu=no_gpu)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _User:
    """Nothing is set, and only the configuration's folder is there."""
    for name in [name for name in os.environ if name.startswith("SO8T_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").mkdir()
    (tmp_path / ".env").write_text(f"SO8T_UID={os.getuid()}\nSO8T_GID={os.getgid()}\n")
    return _User(tmp_path, monkeypatch)


@pytest.mark.parametrize("below", ["", "D", "d"])
def test_a_drive_stands_below_inputs(user: _User, below: str) -> None:
    """With or without a folder of its letter, without any line in .env."""
    user.put(below)
    user.check(user.configuration())


def test_settings_of_a_configuration(user: _User) -> None:
    """Its own folder is what containers see as configs/; the one that is set is kept if the file is in it."""
    settings = for_configuration(user.configuration())
    assert settings["SO8T_CONFIG"] == "configs/my.yaml"
    assert settings["SO8T_CONFIGS"] == (user.folder / "mine").as_posix()
    assert settings["SO8T_INPUTS"] == user.inputs.as_posix()
    settings = for_configuration(user.configuration("configs/deep/my.yaml"))
    assert (settings["SO8T_CONFIG"], settings["SO8T_CONFIGS"]) == (
        "configs/deep/my.yaml",
        (user.folder / "configs").as_posix(),
    )
    (user.folder / ".env").write_text("SO8T_INPUTS=/data\nSO8T_INPUTS_AT=mine\n")
    settings = for_configuration(user.configuration())
    assert (settings["SO8T_INPUTS"], settings["SO8T_INPUTS_AT"]) == ("/data", "mine")
    user.monkeypatch.delenv("SO8T_INPUTS", raising=False)
    (user.folder / ".env").write_text("")
    user.monkeypatch.setenv("SO8T_INPUTS_ROOT", "/mnt")
    assert for_configuration(user.configuration())["SO8T_INPUTS"] == "/mnt"


def test_what_is_missing(user: _User, said: Said) -> None:
    """All of it at once, as the configuration writes it and where it would be; nothing twice."""
    configuration = user.configuration(ab_test={"test_data": "/home/me/test.jsonl"}, model_b={"base_model": "models/x"})
    with said.raised(InputError) as caught:
        user.check(configuration)
    assert caught.value.where is not None
    assert caught.value.where.count("D:/models/phi") == 1
    with said.raised(InputError, where="none.yaml"):
        for_configuration(Path("none.yaml"))


def test_the_configuration_is_not_seen(user: _User, said: Said) -> None:
    """A path in .env that is in neither folder."""
    user.monkeypatch.setenv("SO8T_CONFIG", "/home/me/my.yaml")
    with said.raised(InputError, where="SO8T_CONFIG = /home/me/my.yaml"):
        check_inputs(no_gpu=False)
    user.monkeypatch.setenv("SO8T_CONFIG", "demo.yaml")
    check_inputs(no_gpu=False)


def test_a_gpu_that_is_not_there(user: _User, said: Said) -> None:
    """`device: cuda` is refused, unless the user asked for the CPU."""
    user.put()
    configuration = user.configuration(device="cuda")
    user.check(configuration)
    with said.raised(ConfigError, where="device = cuda"):
        user.check(configuration, no_gpu=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Docker Desktop lets any user read")
def test_files_that_the_stages_cannot_read(user: _User, tmp_path: Path, said: Said) -> None:
    """Weights as transformers writes them, for their owner alone; and a link that leads nowhere in a container."""
    user.put()
    configuration = user.configuration()
    weights = user.inputs / "models" / "phi" / "model.safetensors"
    weights.write_bytes(b"")
    weights.chmod(0o600)
    user.check(configuration)
    (user.folder / ".env").write_text("SO8T_UID=10001\nSO8T_GID=10001\n")
    (user.inputs / "models" / "phi" / "config.json").rename(tmp_path / "config.json")
    (user.inputs / "models" / "phi" / "config.json").symlink_to(tmp_path / "config.json")
    with said.raised(InputError):
        user.check(configuration)
