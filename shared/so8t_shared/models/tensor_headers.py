"""The sizes that a checkpoint's own tensors have, which bound what config.json may say.

Only the headers of the safetensors files are read, without any library: eight bytes with the header's length (little
endian), then JSON (github.com/huggingface/safetensors, format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from so8t_shared.errors import InputError
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.models.hf_folder import weight_files

_MOST_BYTES = 100_000_000
"""safetensors' own limit for a header."""
_LAYER = re.compile(r"model\.layers\.(\d{1,9})\.")
_FIRST = "model.layers.0."

_SAME = (
    ("vocab_size", "model.embed_tokens.weight", 0),
    ("hidden_size", "model.embed_tokens.weight", 1),
    ("intermediate_size", f"{_FIRST}mlp.down_proj.weight", 1),
)
"""Key of config.json, tensor and dimension that have the same size."""

Shapes = dict[str, tuple[int, ...]]


def check_layers(config: dict[str, Any], folder: Path) -> Shapes:
    """Check that the weights have as many layers as config.json says; return the tensors' shapes by name.

    A file whose header cannot be read has no tensors here; whoever reads them names it.

    Raises:
        InputError: the numbers differ, or the weights are missing.
    """
    shapes = {name: shape for path in weight_files(folder) for name, shape in _shapes_in(path)}
    layers = 1 + max((int(match[1]) for match in map(_LAYER.match, shapes) if match), default=-1)
    said = config.get("num_hidden_layers")
    if layers and said is not None and said != layers:
        raise _other_weights(folder, f"num_hidden_layers is {said}, the weights have {layers}")
    return shapes


def check_sizes(config: dict[str, Any], folder: Path) -> None:
    """Check that the sizes in config.json match the weights, before anything of that size is allocated.

    Raises:
        InputError: config.json has other sizes than the weights, or the weights are missing.
    """
    shapes = check_layers(config, folder)
    faults = []
    for key, tensor, dimension in _SAME:
        size, shape = config.get(key), shapes.get(tensor, ())
        if size is not None and dimension < len(shape) and shape[dimension] != size:
            faults.append(f"{key} is {size}, {tensor} has {shape[dimension]}")
    if faults:
        raise _other_weights(folder, "; ".join(faults))


def _other_weights(folder: Path, how: str) -> InputError:
    return InputError(
        f"config.json does not belong to the weights: {how}.",
        where=str(folder / "config.json"),
        remedy="use the config.json and the weights of the same model",
    )


def _shapes_in(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= _MOST_BYTES else b""
    try:
        tensors = parse_json(header)
    except UnparsableError:
        return
    for name, tensor in tensors.items() if isinstance(tensors, dict) else ():
        shape = tensor.get("shape") if isinstance(tensor, dict) else None
        if isinstance(shape, list) and all(isinstance(size, int) for size in shape):
            yield name, tuple(shape)
