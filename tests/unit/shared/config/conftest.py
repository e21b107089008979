"""Loading a configuration in the tests, from an environment of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError

MINIMAL = "model_a: {base_model: m}\ndataset: {paths: [d]}\n"


def write(folder: Path, text: str = MINIMAL) -> Path:
    """A file of the configuration."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path, *overrides: str, **environ: str) -> Config:
    """The configuration, from this environment alone."""
    return load_config(path, overrides, environ)


Refused = Callable[..., ConfigError]


@pytest.fixture
def refused(said: Said) -> Refused:
    """Load what must be refused, with the words that are stored."""

    def call(path: Path, *overrides: str, **environ: str) -> ConfigError:
        with said.raised(ConfigError) as caught:
            load(path, *overrides, **environ)
        assert caught.value.exit_code == 2
        return caught.value

    return call


def keys_of(error: ConfigError) -> list[str]:
    """Keys of the faults, in the order in which they are reported."""
    return re.findall(r"^    - (.*?):", error.where, re.MULTILINE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A minimal configuration."""
    return write(tmp_path)
