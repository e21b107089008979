"""Real GGUF files: a small language model and random tiny ones at each quantization."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_models import make_llama
from tests.unit.evaluator.small_evaluation import make_config

from so8t_converter.convert import Conversion, convert
from so8t_demo.model_package import gguf_file
from so8t_engines.protocol import ModelFile
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.checkpoints import Checkpoints
from so8t_shared.config.model import Config
from so8t_shared.store.local import LocalStore

GetModel = Callable[[str], ModelFile]


def chatml(text: str) -> str:
    """A rendered prompt in the manner of this project: a long shared beginning, then the request."""
    system = "You are the safety officer. Answer with <final>LABEL</final> and nothing else."
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


WARM_UP = [chatml("0"), chatml("?")]

REQUESTS = [
    "open the door",
    "open the door for the committee before noon",
    "open the door for the committee before noon, number 17",
    "destroy it",
    "昨日の会議の記録を見せてください",
    "\n\nstarts with line breaks, which melt into the template's own",
    "open",
]
"""Rows that share more or less with each other, also beyond the prefix of the template."""

_choose = random.Random(1)
MANY_REQUESTS = [*REQUESTS, *(" ".join(_choose.choices(["open", "the", "door"], k=size)) for size in range(2, 22))]
"""Enough rows that on some of them float noise changes a token of F16 and of Q4_K_M."""


def model_file(path: Path, context_length: int = 2048) -> ModelFile:
    """A file as the registry describes it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ModelFile("test:q", path, digest, context_length, eos_token="<|im_end|>")


@pytest.fixture(scope="session")
def smollm2() -> ModelFile:
    """SmolLM2-135M-Instruct, Q4_1."""
    return model_file(gguf_file())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> GetModel:
    """A random tiny Llama at a quantization: its logits are so close that float noise changes the text.

    Like a trained model it does not write pieces of characters, whose probabilities neither engine gives by text.
    """
    root = tmp_path_factory.mktemp("tiny")
    for name in ("output", "scratch"):
        (root / name).mkdir()
    checkpoints = Checkpoints(Attempt.begin(Artifact(LocalStore(root / "store"), "convert-a", "0" * 64)))
    source = make_llama(root / "llama", layers=3)
    _silence_pieces(source)
    convert(Conversion(source, "model_a", ("f16", "q8_0", "q4_k_m")), root / "output", root / "scratch", checkpoints)
    return lambda quantization: model_file(root / "output" / f"model_a_{quantization}.gguf", 512)


def _silence_pieces(folder: Path) -> None:
    """Give tokens that are no whole characters, and NUL, an embedding of zeros: tied, so that their logit is 0."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    weights = load_file(folder / "model.safetensors")
    embeddings = weights["model.embed_tokens.weight"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for token in range(len(tokenizer)):
        if set(tokenizer.decode([token])) & {"\ufffd", "\0"}:
            embeddings[token] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def config() -> Config:
    """Of a small evaluation."""
    return make_config()
