"""Measures an importance matrix: the squares of what a model's linear layers are given while it reads.

As llama.cpp's imatrix tool does it, a text is cut into chunks of equal length, the rest is left out, and the output
layer is not measured. Of rows, each is read alone, as it was trained: prompt and answer. Here transformers runs the
model, in float32.
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
from so8t_shared.models.chat import read_chat
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.prompts import final_answer, neutralise_markers
from so8t_shared.models.tokenizer_check import check_tokenizer
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.architectures import architecture_name

CHUNK_TOKENS = 512
MOST_TOKENS = 64 * CHUNK_TOKENS
"""Of rows; more hardly change the means."""
_LONGEST = 4 * CHUNK_TOKENS
"""Tokens of a row that are read."""
_ROWS_AT_ONCE = 64
"""Rows that are rendered together."""
_LAYERS = "blk."


def measure(
    folder: Path, source: Path, on_chunk: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Sums]:
    """Return the sums of each linear layer within the blocks, by its name in GGUF.

    `folder` is an ordinary checkpoint; `source` a text (.txt), or rows (.jsonl) as training writes them, of which a
    sample that depends on nothing else is read, up to MOST_TOKENS. `on_chunk` gets the number of chunks, or rows, read
    and of all, and may raise to stop.

    Raises:
        InputError: the text is not UTF-8 or shorter than one chunk, there are no rows, or no tokenizer.json.
    """
    tokenizer = _tokenizer(folder)
    of_rows = source.suffix.lower() == ".jsonl"
    chunks = _rows(folder, tokenizer, source) if of_rows else _chunks(_tokens(tokenizer, source), source)
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


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            "An importance matrix can only be measured with a tokenizer.json.",
            where=str(folder),
            remedy="save the tokenizer again with transformers, or name a matrix made with llama-imatrix",
        )
    check_tokenizer(path)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _rows(folder: Path, tokenizer: Tokenizer, source: Path) -> Sequence[Sequence[int]]:
    """Return the tokens of as many rows as fit; ids are digests, so their order is as good as random."""
    rows = sorted(LabeledRow.read_lines(source), key=lambda row: row.id)
    chat, total = read_chat(folder), 0
    found: list[Sequence[int]] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        for row, prompt in zip(part, chat.prompts([(row.text, row.before) for row in part]), strict=True):
            thinking = {name: neutralise_markers(text, chat.markers) for name, text in row.thinking.items()}
            answer = final_answer(row.label, thinking) + chat.end_of_turn
            tokens = [*_ids(tokenizer, prompt), *_ids(tokenizer, answer)][:_LONGEST]
            found.append(tokens)
            total += len(tokens)
            if total >= MOST_TOKENS:
                return found
    if not found:
        raise InputError(
            "There are no rows to measure an importance matrix on.", where=str(source), remedy="check the training data"
        )
    return found


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def _tokens(tokenizer: Tokenizer, text: Path) -> list[int]:
    try:
        content = text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text for the importance matrix is not UTF-8 (byte {error.start}).",
            where=str(text),
            remedy="save it as UTF-8",
        ) from error
    return _ids(tokenizer, content)


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
