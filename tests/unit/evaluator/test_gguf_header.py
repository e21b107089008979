"""The front of a GGUF file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.engines.conftest import GetModel
from tests.unit.evaluator.material import make_gguf

from so8t_evaluator.gguf_header import adds_bos, read_facts
from so8t_shared.errors import IntegrityError


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"add_bos_token": True, "model": "gpt2"}, True),
        ({"add_bos_token": False, "model": "llama"}, False),
        ({"model": "llama"}, True),
        ({"model": "gpt2", "pre": "llama-bpe"}, True),
        ({"model": "gpt2", "pre": "qwen2"}, False),
        ({}, False),
    ],
)
def test_adds_bos(tmp_path: Path, facts: dict[str, str | bool], expected: bool) -> None:
    """What the file says counts; without a word, what llama.cpp does for its kind of tokenizer."""
    assert adds_bos(make_gguf(tmp_path / "m.gguf", **facts)) is expected


def test_real_file(tiny: GetModel) -> None:
    """Texts and numbers of a converted model are read, lists are passed over."""
    facts = read_facts(tiny("q8_0").path)
    assert facts["general.architecture"] == "llama"
    assert facts["llama.block_count"] == 3
    assert facts["tokenizer.ggml.model"] == "gpt2"
    assert "tokenizer.ggml.tokens" not in facts


@pytest.mark.parametrize("content", [b"", b"no GGUF at all", b"GGUF\x03\x00\x00\x00", b"GGUF" + b"\xff" * 40])
def test_no_gguf(tmp_path: Path, content: bytes) -> None:
    """Anything else names itself."""
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(IntegrityError) as caught:
        adds_bos(tmp_path / "m.gguf")
    assert caught.value.where.endswith("m.gguf")
