"""The two stages as containers start them: the entry point, the store, the exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import yaml
from tests.messages import Said
from tests.unit.converter.conftest import Converted
from tests.unit.shared.material import run_stage

from so8t_shared.artifacts.digests import DigestCache
from so8t_shared.config.load import load_config
from so8t_shared.running.context import StageContext
from so8t_shared.running.scratch import left_scratch, scratch_folder, scratch_stem
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.open import open_store

INTERRUPTED = """
import os, sys, signal
from so8t_converter import stages
from so8t_shared.cli.main import main
convert, number = stages.convert, int(sys.argv.pop(1))
def interrupted(conversion, output, scratch, kept, progress, unfinished):
    def hurt(done, total, message):
        if done >= total // 2:
            os.kill(os.getpid(), number)
        progress(done, total, message)
    return convert(conversion, output, scratch, kept, hurt, unfinished)
stages.convert = interrupted
sys.exit(main())
"""


def _configure(root: Path, model: Path) -> Path:
    config = {
        "model_a": {"base_model": str(model)},
        "dataset": {"paths": ["rows.jsonl"]},
        "checkpoint_dir": str(root / "store"),
        "output_base_dir": str(root / "results"),
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    return root / "config.yaml"


def _run(
    root: Path, stage: str, model: Path, code: tuple[str, ...] = ("-m", "so8t_shared.cli")
) -> subprocess.CompletedProcess[str]:
    _configure(root, model)
    return subprocess.run(
        [sys.executable, *code, "stage", stage, "-c", "config.yaml"],
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_convert_a(converted: Callable[[str], Converted], tmp_path: Path) -> None:
    """convert-a commits exactly the files that a conversion makes, and no checkpoint stays behind."""
    done = _run(tmp_path, "convert-a", converted("foreign").source)
    assert done.returncode == 0, done.stderr
    (manifest,) = (tmp_path / "store").glob("artifacts/convert-a/*/manifest.json")
    files = {entry["path"]: entry["sha256"] for entry in json.loads(manifest.read_text())["files"]}
    assert sorted(files) == sorted(path.name for path in converted("foreign").output.iterdir())
    for name in ("f16", "q8_0", "q4_k_m"):
        path = manifest.parent / "attempts/0001/output" / f"model_a_{name}.gguf"
        assert path.read_bytes() == converted("foreign").gguf(name).read_bytes()
    assert not list(manifest.parent.glob("attempts/*/checkpoints/**/*.gguf"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_on_after_a_signal(converted: Callable[[str], Converted], tmp_path: Path, number: int) -> None:
    """Killed or stopped in the middle of the pass; another stage starts; then only the rest is computed."""
    done = _run(tmp_path, "convert-a", converted("phi3").source, ("-c", INTERRUPTED, str(int(number))))
    assert done.returncode == (75 if number == signal.SIGTERM else -number), done.stderr
    local = tmp_path / "store" / ".local"
    with scratch_folder(local, scratch_stem("train", "0" * 64)):
        [left] = left_scratch(local)
    lines = sum(len(path.read_bytes().splitlines()) - 1 for path in left.rglob("*.journal"))
    assert 45 // 2 <= lines < 45
    [f16] = left.rglob("model_a_f16.gguf")
    place = f16.stat().st_ino
    done = _run(tmp_path, "convert-a", converted("phi3").source)
    assert done.returncode == 0, done.stderr
    [output] = (tmp_path / "store").glob("artifacts/convert-a/*/attempts/*/output")
    for name in ("f16", "q8_0", "q4_k_m"):
        assert (output / f"model_a_{name}.gguf").read_bytes() == converted("phi3").gguf(name).read_bytes()
    assert (output / "model_a_f16.gguf").stat().st_ino == place
    assert list((local / "scratch").iterdir()) == []


def test_unusable_model(tmp_path: Path, said: Said) -> None:
    """An unusable model ends with exit code 2 and one message without a traceback."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"architectures": ["GemmaForCausalLM"]}')
    done = _run(tmp_path, "convert-a", tmp_path / "model")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said("\n".join(done.stderr.splitlines()[-3:]))
    assert not list((tmp_path / "store").glob("artifacts/convert-a/*/manifest.json"))


def test_rotten_weights_are_noticed_while_they_are_converted(
    converted: Callable[[str], Converted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """convert-b ends with exit code 5, and nothing that was made of them is used once training is repeated."""
    monkeypatch.chdir(tmp_path)
    source = converted("llama").source
    config = load_config(_configure(tmp_path, source))
    (tmp_path / "rows.jsonl").write_text('{"text": "?", "label": "ALLOW"}\n')
    store = open_store(config)

    def train(ctx: StageContext) -> None:
        shutil.copytree(source, ctx.output_dir / "merged", dirs_exist_ok=True)
        (ctx.output_dir / "training_config.yaml").write_text(yaml.safe_dump(config.training.model_dump(mode="json")))

    def trained() -> Path:
        run_stage(stage_named("train"), open_session(store, config), store, train)
        [weights] = (tmp_path / "store").glob("artifacts/train/*/attempts/*/output/merged/model.safetensors")
        return weights

    weights, digests = trained(), DigestCache(store.local_root / "digests.sqlite")
    right, last = digests.sha256(weights), weights.read_bytes()[-1]
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([last ^ 1]))
    digests.remember(weights, right)  # as after rot: no state of the file shows it
    done = _run(tmp_path, "convert-b", source)
    assert done.returncode == 5, done.stderr
    assert not list((tmp_path / "store").rglob("*.gguf"))
    assert trained().read_bytes()[-1] == last
    done = _run(tmp_path, "convert-b", source)
    assert done.returncode == 0, done.stderr
    [f16] = (tmp_path / "store").glob("artifacts/convert-b/*/attempts/*/output/model_b_f16.gguf")
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(converted("llama").gguf("f16")).tensors}
    assert all((tensor.data == tensors[tensor.name]).all() for tensor in gguf.GGUFReader(f16).tensors)


def test_convert_b_waits_for_training(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """convert-b without a finished training ends with exit code 3."""
    done = _run(tmp_path, "convert-b", converted("llama").source)
    assert done.returncode == 3, done.stderr
    said("\n".join(done.stderr.splitlines()[-3:]))
