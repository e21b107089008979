"""Loading a configuration in the tests, from an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def refused(path: Path, *overrides: str, **environ: str) -> ConfigError:
    """The error of a configuration that cannot be loaded."""
    with pytest.raises(ConfigError) as caught:
        load(path, *overrides, **environ)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A minimal configuration."""
    return write(tmp_path)
