"""Measures an importance matrix: the squares of what a model's linear layers are given while it reads a text.

As llama.cpp's imatrix tool does it, the text is cut into chunks of equal length, the rest is left out, and the output
layer is not measured. Here transformers runs the model, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from tokenizers import Tokenizer

from so8t_converter.imatrix import Sums
from so8t_shared.errors import InputError
from so8t_shared.models.hf_folder import read_json
from so8t_shared.tables.architectures import architecture_name

CHUNK_TOKENS = 512
_LAYERS = "blk."


def measure(
    folder: Path, text: Path, on_chunk: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Sums]:
    """Return the sums of each linear layer within the blocks, by its name in GGUF.

    `folder` is an ordinary checkpoint. `on_chunk` gets the number of chunks read and of all, and may raise to stop.

    Raises:
        InputError: the text is not UTF-8, or shorter than one chunk.
    """
    chunks = _chunks(_tokens(folder, text), text)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    sums: dict[str, torch.Tensor] = {}
    rows = 0
    with torch.inference_mode(), _watched(model, _names(folder), sums):
        for done, chunk in enumerate(chunks):
            on_chunk(done, len(chunks))
            model.base_model(input_ids=torch.tensor([chunk]), use_cache=False)
            rows += len(chunk)
    on_chunk(len(chunks), len(chunks))
    return {name: Sums(total.float().numpy(), rows) for name, total in sums.items()}


def _tokens(folder: Path, text: Path) -> list[int]:
    try:
        content = text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text for the importance matrix is not UTF-8 (byte {error.start}).",
            where=str(text),
            remedy="save it as UTF-8",
        ) from error
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return list(tokenizer.encode(content, add_special_tokens=False).ids)


def _chunks(tokens: Sequence[int], text: Path) -> list[Sequence[int]]:
    count = len(tokens) // CHUNK_TOKENS
    if not count:
        raise InputError(
            f"The text for the importance matrix has {len(tokens)} tokens; one chunk takes {CHUNK_TOKENS}.",
            where=str(text),
            remedy="name a longer text; some tens of thousands of tokens like what the model will read are usual",
        )
    return [tokens[i * CHUNK_TOKENS : (i + 1) * CHUNK_TOKENS] for i in range(count)]


def _names(folder: Path) -> Callable[[str], str | None]:
    """Return what finds a module's name in GGUF, None outside of the blocks."""
    from conversion import get_model_class

    config = read_json(folder / "config.json")
    architecture = get_model_class(architecture_name(config) or "").model_arch
    names = gguf.get_tensor_name_map(architecture, int(config["num_hidden_layers"]))

    def named(module: str) -> str | None:
        found = names.get_name(module)
        return f"{found}.weight" if found and found.startswith(_LAYERS) else None

    return named


@contextmanager
def _watched(model: Any, named: Callable[[str], str | None], sums: dict[str, torch.Tensor]) -> Iterator[None]:
    def add(name: str, _: Any, given: tuple[torch.Tensor, ...]) -> None:
        squares = given[0].reshape(-1, given[0].shape[-1]).double().square().sum(0)
        sums[name] = sums[name] + squares if name in sums else squares

    hooks = []
    for path, module in model.named_modules():
        name = named(path) if isinstance(module, torch.nn.Linear) else None
        if name:
            hooks.append(module.register_forward_pre_hook(partial(add, name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
