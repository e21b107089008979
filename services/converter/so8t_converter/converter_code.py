"""llama.cpp's converter without torch and transformers, which take seconds to import.

The package `conversion` imports both, yet what it does with a tensor (cast, permute, slice, add) numpy does as well.
Here it is loaded a second time under another name, and its import statements get the two objects below: `torch` in
terms of numpy, and `transformers` whose configuration and tokenizer are read from the files where these say everything.
What the objects lack is taken from the real libraries. The package itself stays as it is for everyone else.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import gguf
import numpy as np

from so8t_converter.settings import complete_settings
from so8t_converter.vocabulary import plain_tokenizer
from so8t_shared.models.hf_folder import read_json

_PACKAGE = "conversion"
_COPY = "so8t_converter._conversion"


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


@cache
def converter_class(architecture: str) -> Any:
    """Return the converter's class for an architecture.

    Raises:
        NotImplementedError: it knows no such architecture.
    """
    if _COPY not in sys.modules:
        sys.meta_path.insert(0, _Finder())
    return importlib.import_module(_COPY).get_model_class(architecture)


class _AutoConfig:
    """transformers' AutoConfig, which is only asked for a dictionary."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    @classmethod
    def from_pretrained(cls, folder: Path, **options: Any) -> Any:
        settings = complete_settings(read_json(Path(folder) / "config.json"))
        if settings is not None:
            return cls(settings)
        return importlib.import_module("transformers").AutoConfig.from_pretrained(folder, **options)

    def to_dict(self) -> dict[str, Any]:
        return self._settings


class _AutoTokenizer:
    """transformers' AutoTokenizer, which is only asked for the vocabulary."""

    @staticmethod
    def from_pretrained(folder: Path, **options: Any) -> Any:
        plain = plain_tokenizer(Path(folder))
        return plain or importlib.import_module("transformers").AutoTokenizer.from_pretrained(folder, **options)


class _Transformers(ModuleType):
    AutoConfig = _AutoConfig
    AutoTokenizer = _AutoTokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("transformers"), name)


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
        torch = importlib.import_module("torch")
        return torch.arange(*limits, dtype=getattr(torch, np.dtype(dtype).name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("bfloat", "float8", "int", "uint", "bool", "Size")):
            return name
        raise AttributeError(f"{name} is not needed to convert the supported architectures")


_INSTEAD = {"torch": _Torch("torch"), "transformers": _Transformers("transformers")}


def _import(name: str, *context: Any, **named: Any) -> Any:
    if name.partition(".")[0] == _PACKAGE:
        name = _COPY + name.removeprefix(_PACKAGE)
    return _INSTEAD.get(name) or builtins.__import__(name, *context, **named)


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": _import}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of the second copy."""

    def find_spec(self, name: str, path: Any = None, _: Any = None) -> ModuleSpec | None:
        if name != _COPY and not name.startswith(f"{_COPY}."):
            return None
        original = PathFinder.find_spec(_PACKAGE + name.removeprefix(_COPY), None if name == _COPY else path)
        if original is None or original.origin is None:
            return None
        spec = ModuleSpec(name, _Loader(name, original.origin), origin=original.origin, is_package=name == _COPY)
        spec.submodule_search_locations = original.submodule_search_locations
        spec.has_location = True
        return spec
