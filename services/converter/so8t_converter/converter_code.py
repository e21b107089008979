"""llama.cpp's converter without torch and transformers, which take seconds to import.

The package `conversion` imports both, yet what it does with a tensor (cast, permute, slice, add) numpy does as well.
Within `light_imports` it gets two stand-ins: `torch` in terms of numpy, and `transformers` whose configuration and
tokenizer are read from the files where these say everything. What they lack is taken from the installed libraries.
Outside, all three packages are as they are installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import gguf
import numpy as np

from so8t_converter.settings import complete_settings
from so8t_converter.vocabulary import plain_tokenizer
from so8t_shared.models.hf_folder import read_json


class LazyTensor(gguf.LazyNumpyTensor):  # type: ignore[misc]
    """A tensor's type and shape, with the methods of torch that the converter calls."""

    _tensor_type = np.ndarray

    @classmethod
    def described(cls, kind: str, shape: tuple[int, ...]) -> LazyTensor:
        """A tensor without values: float16 if the checkpoint stores F16, else float32."""
        meta = cls.meta_with_dtype_and_shape(np.float16 if kind == "F16" else np.float32, shape)
        return cls(meta=meta, func=_no_values)

    def numpy(self) -> LazyTensor:
        return self

    def to(self, dtype: Any) -> Any:
        return self.astype(dtype)


def _no_values() -> Any:
    raise AssertionError("the converter asked for the values of a tensor")


class _AutoConfig:
    """transformers' AutoConfig, which is only asked for a dictionary."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    @classmethod
    def from_pretrained(cls, folder: Path, **options: Any) -> Any:
        settings = complete_settings(read_json(Path(folder) / "config.json"))
        if settings is not None:
            return cls(settings)
        with _exchanged():
            return importlib.import_module("transformers").AutoConfig.from_pretrained(folder, **options)

    def to_dict(self) -> dict[str, Any]:
        return self._settings


class _AutoTokenizer:
    """transformers' AutoTokenizer, which is only asked for the vocabulary."""

    @staticmethod
    def from_pretrained(folder: Path, **options: Any) -> Any:
        if plain := plain_tokenizer(Path(folder)):
            return plain
        with _exchanged():
            return importlib.import_module("transformers").AutoTokenizer.from_pretrained(folder, **options)


class _Transformers(ModuleType):
    AutoConfig = _AutoConfig
    AutoTokenizer = _AutoTokenizer

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import statement asks for some
            raise AttributeError(name)
        return getattr(_installed("transformers"), name)


class _Torch(ModuleType):
    """numpy's types under torch's names; types that numpy lacks are names alone, since no tensor here has them."""

    Tensor = np.ndarray
    float64, float32, float16 = (np.dtype(name) for name in ("f8", "f4", "f2"))

    @staticmethod
    def tensor(values: Any, dtype: Any) -> Any:
        return LazyTensor.from_eager(np.array([float(value) for value in values], dtype))

    @staticmethod
    def arange(*limits: float, dtype: Any) -> Any:
        """A real tensor: numpy's powers differ from torch's in the last bit."""
        torch = _installed("torch")
        return torch.arange(*limits, dtype=getattr(torch, np.dtype(dtype).name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("bfloat", "float8", "int", "uint", "bool", "Size")):
            return name
        raise AttributeError(f"{name} is not needed to convert the supported architectures")


_ASIDE: dict[str, ModuleType] = {"torch": _Torch("torch"), "transformers": _Transformers("transformers")}
"""The stand-ins and our copy of the converter, or while these are in use the installed modules."""
_PACKAGES = {"conversion", *_ASIDE}


@contextmanager
def _exchanged() -> Iterator[None]:
    """Exchange the modules in use for those aside."""
    _exchange()
    try:
        yield
    finally:
        _exchange()


def _exchange() -> None:
    in_use = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in _PACKAGES}
    sys.modules.update(_ASIDE)
    _ASIDE.clear()
    _ASIDE.update(in_use)


def _installed(package: str) -> Any:
    """Import a library while its stand-in is in use."""
    with _exchanged():
        return importlib.import_module(package)


light_imports = _exchanged
"""In a block with this, the converter imports the stand-ins; no other thread may import torch or transformers then."""


def converter_class(architecture: str) -> Any:
    """Return the converter's class for an architecture, within `light_imports`.

    Raises:
        NotImplementedError: it knows no such architecture.
    """
    return importlib.import_module("conversion").get_model_class(architecture)
