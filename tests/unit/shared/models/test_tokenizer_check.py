"""Foreign tokenizer files: whatever the library does of them, this process goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.processes import exit_code, start, until

from so8t_shared.errors import InputError, Interrupted
from so8t_shared.interruption import StopSignal
from so8t_shared.models.tokenizer_check import check_soon, check_tokenizer
from so8t_trainer.encode import load_encoder

MODEL = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
DOUBLING = [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16}] * 20


def _file(folder: Path, **parts: Any) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": MODEL, **parts}))
    return path


def test_an_ordinary_file(tmp_path: Path) -> None:
    """It passes, and is checked once until it changes."""
    path = _file(tmp_path)
    check_tokenizer(path)
    began = time.monotonic()
    check_tokenizer(path)
    assert time.monotonic() - began < 0.05
    path.write_text("{}")
    with pytest.raises(InputError):
        check_tokenizer(path)


def test_beside_other_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that was begun early is waited for, not repeated, and what it found is told then."""
    begun = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(a) or popen(*a, **k))
    path = _file(tmp_path)
    check_soon(path)
    until(lambda: begun, "the child")
    check_tokenizer(path)
    assert len(begun) == 1
    path.write_text("{}")
    check_soon(path)
    with pytest.raises(InputError):
        check_tokenizer(path)
    check_soon(tmp_path / "none")


@pytest.mark.parametrize(
    "parts",
    [
        {"model": {**MODEL, "continuing_subword_prefix": "\u00e9\u00e9\u00e9"}},
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        {"model": {**MODEL, "unk_token": "zz"}},
    ],
    ids=["panic", "panic in a part", "panic in a text", "error"],
)
def test_a_panic_is_told(tmp_path: Path, parts: dict[str, Any], said: Said) -> None:
    """A panic, which `except Exception` does not catch, is an input error with the library's reason."""
    path = _file(tmp_path, **parts)
    with said.raised(InputError, where=str(tmp_path)):
        check_tokenizer(path)


def test_an_abort_is_told(tmp_path: Path) -> None:
    """Rust aborts the process that has no memory left: the child's."""
    path = _file(tmp_path, normalizer={"type": "Sequence", "normalizers": DOUBLING})
    with pytest.raises(InputError) as caught:
        check_tokenizer(path, 320 << 20)
    assert "SIGABRT" in caught.value.what
    assert caught.value.exit_code == 2


def test_training_does_not_load_it(tmp_path: Path) -> None:
    """The encoder refuses the folder instead of panicking."""
    _file(tmp_path, pre_tokenizer={"type": "FixedLength", "length": 0})
    with pytest.raises(InputError):
        load_encoder(tmp_path)


def test_a_signal_ends_it(tmp_path: Path) -> None:
    """SIGTERM ends a child that takes long, and the process is interrupted."""
    steps = [{"type": "Replace", "pattern": {"Regex": "(.)"}, "content": "aaaaaaaaaaaaaaaa"}] * 6
    path = _file(tmp_path, normalizer={"type": "Sequence", "normalizers": steps})
    note = tmp_path / "ready"

    def work() -> None:
        stop = StopSignal()
        stop.install()
        note.touch()
        try:
            check_tokenizer(path)
        except Interrupted as error:
            os._exit(error.exit_code)

    process = start(work)
    until(note.is_file, "the process")
    time.sleep(0.2)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    assert exit_code(process) == 75
