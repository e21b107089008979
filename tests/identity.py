"""Our GGUF files against the real tools' for one checkpoint: llama.cpp's converter, then its quantizer.

A case is a checkpoint of tiny weights. Its F16 and BF16 files are compared with the converter's, key by key and tensor
by tensor; each quantized file must be, as a whole, what llama.cpp's quantizer makes of our F16 file.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import gguf
import numpy as np
import torch
import transformers
from conversion import get_model_class
from safetensors.torch import save_file
from tests.servers.needed import binary
from tests.tiny_tokenizers import CONTEXT, PHI3_SPECIAL, byte_level_bpe, save_bpe_tokenizer, save_phi3_tokenizer
from tokenizers import pre_tokenizers as pre

from so8t_converter.checkpoint import inspect
from so8t_converter.clean_folder import clean_folder
from so8t_converter.imatrix import Sums, read_imatrix, write_imatrix
from so8t_converter.llama_cpp import plan_of, write_gguf
from so8t_converter.plan import Plan
from so8t_shared.models.hf_folder import read_json
from so8t_shared.models.shards import ShardWriter
from so8t_shared.tables.architectures import BY_NAME as ARCHITECTURES
from so8t_shared.tables.architectures import sizes_of
from so8t_shared.tables.quantizations import BY_NAME, ROWS

EXCEPTIONS = {
    "general.name": "the family and the number of weights: llama.cpp recognizes Phi-3's tokenizer by it",
    "general.basename": "guessed by the converter from the folder's name, on which our bytes do not depend",
    "general.version": "guessed from the folder's name",
    "general.finetune": "guessed from the folder's name",
    "tokenizer.ggml.pre": "named by tokenizer.json's definition; the converter recognizes published vocabularies alone",
    "tokenizer.ggml.add_bos_token": "off where the chat template does not write it, so that engines add nothing to it",
    "tokenizer.ggml.add_eos_token": "off, so that no engine ends a prompt",
}
"""Keys of F16 and BF16 files that may differ from the converter's, and why. Tensors and quantized files have none."""

FOLDER = "Tiny-3B-chat-v2"
"""A name from which the converter guesses all that it can."""

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_SHARD_BYTES = 1 << 20


@dataclass(frozen=True)
class Case:
    """A checkpoint."""

    architecture: str
    dtype: str
    layout: Literal["one file", "shards"]
    output: Literal["tied", "untied"]
    tokenizer: Literal["BPE", "sentencepiece"]

    def __str__(self) -> str:
        return "-".join(getattr(self, field.name).removesuffix("ForCausalLM") for field in fields(self))


def all_cases() -> list[Case]:
    """Return every combination."""
    values = (ARCHITECTURES, DTYPES, ("one file", "shards"), ("tied", "untied"), ("BPE", "sentencepiece"))
    return [Case(*combination) for combination in itertools.product(*values)]


def covering() -> dict[Case, list[str]]:
    """Return few cases with few quantizations each, in which every pair of factors' values occurs."""
    cases = _pairwise(all_cases(), _values)
    names = [row.name for row in ROWS]
    files = [(case, name) for case in cases for name in names]
    chosen: dict[Case, list[str]] = {case: [] for case in cases}
    for case, name in _pairwise(files, lambda file: [*_values(file[0]), file[1]]):
        chosen[case].append(name)
    return chosen


def _values(case: Case) -> list[str]:
    return [str(getattr(case, field.name)) for field in fields(case)]


T = TypeVar("T")


def _pairwise(rows: Sequence[T], values: Callable[[T], list[str]]) -> list[T]:
    """Choose rows until every pair that any row has was chosen; each time the row with the most new pairs."""
    pairs = {row: set(itertools.combinations(enumerate(values(row)), 2)) for row in rows}
    left: set[Any] = set().union(*pairs.values())
    chosen: list[T] = []
    while left:
        best = max(rows, key=lambda row: len(pairs[row] & left))
        chosen.append(best)
        left -= pairs[best]
    return chosen


_SIZES: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": {"num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 2},
    "MistralForCausalLM": {"hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3},
    "Gemma3ForCausalLM": {"head_dim": 96, "query_pre_attn_scalar": 96, "sliding_window": 512},
    "Qwen3ForCausalLM": {"head_dim": 96},
    "Phi3ForCausalLM": {"original_max_position_embeddings": CONTEXT},
    "SmolLM3ForCausalLM": {"num_hidden_layers": 4},
}
"""What makes a mixture's rules differ: many layers, shared heads, and rows that no block of 256 fits."""


def make(case: Case, folder: Path, tokenizers: Path) -> Path:
    """Write the checkpoint; `tokenizers` keeps what all checkpoints share."""
    ids = _tokenizer(case, folder, tokenizers)
    settings = {
        **{"hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "vocab_size": 768, "max_position_embeddings": CONTEXT},
        **{"tie_word_embeddings": case.output == "tied", "architectures": [case.architecture], "dtype": case.dtype},
        **_SIZES.get(case.architecture, {}),
    }
    settings["dtype"] = DTYPES[case.dtype]
    getattr(transformers, case.architecture).config_class(**settings, **ids).save_pretrained(folder)
    transformers.GenerationConfig(**ids).save_pretrained(folder)
    architecture = ARCHITECTURES[case.architecture]
    generator = torch.Generator().manual_seed(len(str(case)))
    limit = _SHARD_BYTES if case.layout == "shards" else 1 << 40
    shards: ShardWriter[torch.Tensor] = ShardWriter(folder, partial(save_file, metadata={"format": "pt"}), limit)
    for name, shape in architecture.shapes(sizes_of(read_json(folder / "config.json"), folder)).items():
        if name != "lm_head.weight" or case.output == "untied":
            shards.add(name, (torch.randn(shape, generator=generator) * 0.06).to(DTYPES[case.dtype]))
    shards.finish()
    return folder


def _tokenizer(case: Case, folder: Path, tokenizers: Path) -> dict[str, int]:
    """Copy the tokenizer's files; return the ids that the configuration names."""
    kind = "Phi3-BPE" if case.tokenizer == "BPE" and case.architecture == "Phi3ForCausalLM" else case.tokenizer
    if not (tokenizers / kind).exists():
        _make_tokenizer(kind, tokenizers / kind)
    shutil.copytree(tokenizers / kind, folder)
    if case.tokenizer == "BPE":
        return {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    end = int((tokenizers / f"{kind}.pieces").read_text())
    return {"bos_token_id": 1, "eos_token_id": end + PHI3_SPECIAL.index("<|end|>"), "pad_token_id": end}


def _make_tokenizer(kind: str, folder: Path) -> None:
    if kind == "sentencepiece":
        folder.with_suffix(".pieces").write_text(str(save_phi3_tokenizer(folder, 700)))
        settings = read_json(folder / "tokenizer_config.json") | {"add_bos_token": True}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return
    steps = [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False)]
    tokenizer = byte_level_bpe(pre.Sequence(steps), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], 760)
    name = "GPT2Tokenizer" if kind == "Phi3-BPE" else "PreTrainedTokenizerFast"  # the one that the converter knows
    save_bpe_tokenizer(folder, tokenizer, name, bos="<|im_start|>", eos="<|im_end|>", pad="<|im_end|>")


@dataclass
class Found:
    """What a comparison found."""

    files: int = 0
    tensors: int = 0
    differing: tuple[str, ...] = ()
    """Tensors, keys, orders or whole files that differ."""
    excepted: frozenset[str] = frozenset()
    """Keys in `EXCEPTIONS` that did differ."""

    def __add__(self, other: Found) -> Found:
        return Found(
            self.files + other.files,
            self.tensors + other.tensors,
            self.differing + other.differing,
            self.excepted | other.excepted,
        )


def check(source: Path, scratch: Path, quantizations: Collection[str], *, imatrix: bool = False) -> Iterator[Found]:
    """Convert a checkpoint to these types, and F16, and compare file by file with the real tools'.

    With `imatrix`, both quantize with an importance matrix of random numbers.
    """
    targets = {name: scratch / f"{name}.gguf" for name in {"f16", *quantizations}}
    checkpoint = inspect(source)
    plan = plan_of(checkpoint, clean_folder(source, scratch / "clean"))
    matrix = _importance(plan, scratch / "matrix.gguf") if imatrix else None
    write_gguf(checkpoint, replace(plan, importance=read_imatrix(matrix)) if matrix else plan, targets)
    for name in sorted(quantizations, key=lambda name: not BY_NAME[name].from_checkpoint):
        theirs = scratch / f"{name}-theirs.gguf"
        if BY_NAME[name].from_checkpoint:
            _convert(source, theirs, name)
            yield compare(targets[name], theirs, EXCEPTIONS)
        else:
            _quantize(targets["f16"], theirs, name, matrix)
            found = compare(targets[name], theirs, ())
            same = found.differing or targets[name].read_bytes() == theirs.read_bytes()
            yield found if same else found + Found(differing=(f"{name}: something outside of keys and tensors",))
        theirs.unlink()


def _convert(source: Path, target: Path, name: str) -> None:
    architecture = read_json(source / "config.json")["architectures"][0]
    model = get_model_class(architecture)(source, gguf.LlamaFileType(BY_NAME[name].file_type), target)
    model.get_vocab_base_pre = lambda _: "default"  # it knows no vocabulary of these
    model.write()


def _importance(plan: Plan, target: Path) -> Path:
    generator = np.random.default_rng(len(plan.tensors))
    weights = [tensor for tensor in plan.tensors if len(tensor.shape) > 1 and tensor.name.startswith("blk.")]
    sums = {t.name: Sums(generator.chisquare(1, t.length).astype(np.float32) * 9, 1024) for t in weights}
    write_imatrix(target, sums, ["calibration.txt"], 512)
    return target


def _quantize(f16: Path, target: Path, name: str, matrix: Path | None) -> None:
    guided = ["--imatrix", matrix.name] if matrix else []  # the file holds the name as it is given
    command = [str(binary("llama_quantize")), *guided, str(f16), str(target), str(BY_NAME[name].file_type)]
    subprocess.run(command, check=True, capture_output=True, cwd=matrix.parent if matrix else None)


def compare(ours: Path, theirs: Path, exceptions: Iterable[str]) -> Found:
    """Compare two files, apart from the keys that may differ."""
    first, second = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
    ours_keys, theirs_keys = _keys(first), _keys(second)
    unequal = [key for key in ours_keys | theirs_keys if ours_keys.get(key) != theirs_keys.get(key)]
    differing = [f"{ours.name}: key {key}" for key in unequal if key not in exceptions]
    orders = [[key for key in keys if key not in exceptions] for keys in (ours_keys, theirs_keys)]
    tensors = [
        {t.name: (t.tensor_type, t.shape.tolist(), t.data.tobytes()) for t in r.tensors} for r in (first, second)
    ]
    names = list(tensors[0] | tensors[1])
    differing += [f"{ours.name}: tensor {name}" for name in names if tensors[0].get(name) != tensors[1].get(name)]
    if not differing and (orders[0] != orders[1] or list(tensors[0]) != list(tensors[1])):
        differing.append(f"{ours.name}: the order")
    return Found(1, len(names), tuple(differing), frozenset(unequal) & frozenset(exceptions))


def _keys(reader: Any) -> dict[str, Any]:
    counted = ("GGUF.tensor_count", "GGUF.kv_count")
    return {key: (field.types, field.contents()) for key, field in reader.fields.items() if key not in counted}
