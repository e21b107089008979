"""Tiny checkpoints and their GGUF files, made once for all tests of the converter."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.tiny_models import BY_ARCHITECTURE, make_foreign_so8t

from so8t_converter.convert import Conversion, convert
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.store.local import LocalStore


def _short(architecture: str) -> str:
    return architecture.removesuffix("ForCausalLM").lower()


MAKERS: dict[str, Callable[..., Path]] = {
    **{_short(name): make for name, make in BY_ARCHITECTURE.items()},
    "foreign": make_foreign_so8t,
}


@dataclass(frozen=True)
class Converted:
    """A checkpoint and the folder with its GGUF files."""

    source: Path
    output: Path

    def gguf(self, quantization: str) -> Path:
        return self.output / f"model_a_{quantization}.gguf"


def kept_in(folder: Path) -> Checkpoints:
    """The real checkpoints of a stage, in a local store."""
    return Checkpoints(Attempt.begin(Artifact(LocalStore(folder), "convert-a", "0" * 64)))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny checkpoint by its architecture ("llama" or "LlamaForCausalLM"), made on first use; not to be changed."""
    root = tmp_path_factory.mktemp("models")

    def get(name: str) -> Path:
        folder = root / _short(name)
        return folder if folder.exists() else MAKERS[folder.name](folder)

    return get


@pytest.fixture(scope="session")
def converted(made: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Converted]:
    """A tiny checkpoint converted to all three files, on first use."""
    results: dict[str, Converted] = {}

    def get(name: str) -> Converted:
        if name not in results:
            root = tmp_path_factory.mktemp(name)
            for part in ("output", "scratch"):
                (root / part).mkdir()
            conversion = Conversion(made(name), "model_a", ("f16", "q8_0", "q4_k_m"))
            convert(conversion, root / "output", root / "scratch", kept_in(root / "store"))
            results[name] = Converted(made(name), root / "output")
        return results[name]

    return get


@pytest.fixture
def copy_of(made: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny checkpoint that a test may break."""

    def get(name: str) -> Path:
        return Path(shutil.copytree(made(name), tmp_path / name))

    return get
