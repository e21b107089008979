"""The two stages as containers start them: the entry point, the store, the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.messages import Said
from tests.unit.converter.conftest import Converted

from so8t_shared.running.scratch import left_scratch, scratch_folder, scratch_stem

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


def _run(
    root: Path, stage: str, model: Path, code: tuple[str, ...] = ("-m", "so8t_shared.cli")
) -> subprocess.CompletedProcess[str]:
    config = {
        "model_a": {"base_model": str(model)},
        "dataset": {"paths": ["rows.jsonl"]},
        "checkpoint_dir": str(root / "store"),
        "output_base_dir": str(root / "results"),
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
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


def test_convert_b_waits_for_training(converted: Callable[[str], Converted], tmp_path: Path, said: Said) -> None:
    """convert-b without a finished training ends with exit code 3."""
    done = _run(tmp_path, "convert-b", converted("llama").source)
    assert done.returncode == 3, done.stderr
    said("\n".join(done.stderr.splitlines()[-3:]))
