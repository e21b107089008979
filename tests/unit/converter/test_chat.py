"""chat.json: what the model's folder says, and that it suits what training taught the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from transformers import AutoTokenizer

from so8t_converter.chat import chat_info
from so8t_converter.checkpoint import inspect
from so8t_evaluator.rows import prompt_for
from so8t_shared.errors import InputError
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.architectures import BY_NAME
from so8t_trainer.encode import load_encoder


@pytest.mark.parametrize(
    ("name", "bos", "stops"),
    [
        ("llama", "<|im_start|>", ["<|im_end|>", "<|endoftext|>"]),
        ("qwen2", "", ["<|im_end|>", "<|endoftext|>"]),
        ("phi3", "<s>", ["<|endoftext|>", "<|end|>", "<|assistant|>"]),
    ],
)
def test_families(made: Callable[[str], Path], name: str, bos: str, stops: list[str]) -> None:
    """Beginning, ends (the tokenizer's first, then generation_config's) and template of each family."""
    info = chat_info(inspect(made(name)), {})
    assert (info.bos_token, info.eos_token, info.stop_tokens) == (bos, stops[0], stops)
    assert info.chat_template == AutoTokenizer.from_pretrained(made(name)).chat_template
    assert set(stops) <= set(info.markers)
    assert (info.context_length, info.layers, info.so8t) == (1024, 2, {})


def test_restored_architecture_and_gates(made: Callable[[str], Path]) -> None:
    """A foreign checkpoint is described by its ordinary architecture and the gates that were folded."""
    gates: dict[str, str | int | float] = {"gates": 2, "rotation": "cayley", "largest_angle": 1.0}
    info = chat_info(inspect(made("foreign")), gates)
    assert (info.architecture, info.so8t) == ("Phi3ForCausalLM", gates)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_trained_answer_ends_with_a_stop(made: Callable[[str], Path], name: str) -> None:
    """The last token that training teaches is one at which generation stops; the prompt is the same on both sides."""
    info, encoder = chat_info(inspect(made(name)), {}), load_encoder(made(name))
    row = encoder.encode(LabeledRow(id="x", text="Send it", label="DENY"))
    assert [row.completion[-1]] in [encoder.tokenize(stop) for stop in info.stop_tokens]
    assert list(row.prompt) == encoder.tokenize(prompt_for("Send it", info))


def test_context_length(copy_of: Callable[[str], Path], said: Said) -> None:
    """A config without max_position_embeddings is refused by that name."""
    folder = copy_of("llama")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": None}))
    with said.raised(InputError):
        chat_info(inspect(folder), {})
