"""What libraries are given holds no code and no reference to code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from so8t_converter.clean_folder import clean_folder


def test_exact_files(copy_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Weights, config and tokenizer are there with the same content; code and strangers are not."""
    source = copy_of("phi3")
    (source / "modeling_phi3.py").write_text("raise SystemExit")
    (source / "notes.txt").write_text("x")
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((source / name).read_text()) | {"auto_map": {"AutoConfig": "modeling_phi3.X"}}
        (source / name).write_text(json.dumps(settings))
    clean = clean_folder(source, tmp_path / "clean")
    assert sorted(path.name for path in clean.iterdir()) == [
        *("added_tokens.json", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    ]
    for path in clean.iterdir():
        assert b"auto_map" not in path.read_bytes()
    assert (clean / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
