"""GPUs for the embedded engine, as far as they can be tested without one."""

from __future__ import annotations

import pytest
import xllamacpp
from tests.unit.engines.conftest import WARM_UP, GetModel, chatml

from so8t_engines.embedded import engine as embedded
from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.engine import EmbeddedEngine, open_embedded
from so8t_engines.protocol import Options
from so8t_shared.config.model import Config


def test_gpus_are_llama_cpps() -> None:
    """As many as llama.cpp lists here besides the CPU: none with the wheel for CPUs."""
    listed = [one for one in xllamacpp.get_device_info() if "GPU" in one["type"].name]
    assert len(gpus()) == len(listed)


def test_no_answer_about_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where llama.cpp fails to look, there is none."""
    monkeypatch.setattr("sys.executable", "false")
    assert gpus() == []


def test_device(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is found is named with the answers, so that these stay apart; device cpu uses none."""
    monkeypatch.setattr(embedded, "gpus", lambda: ["Fast (CUDA0)"])
    named = {}
    for device in ("auto", "cuda", "cpu"):
        chosen = config.model_copy(update={"device": device})
        named[device] = open_embedded(chosen, lambda message: None).answer_settings["gpu"]
    assert named == {"auto": "Fast (CUDA0)", "cuda": "Fast (CUDA0)", "cpu": "none"}


def test_offload_without_a_gpu(tiny: GetModel) -> None:
    """llama.cpp takes the wish for all layers where there is no GPU, and answers the same."""
    texts = []
    for names in ((), ("Fast (CUDA0)",)):
        with EmbeddedEngine(num_ctx=512, threads=1, gpus=names).load(tiny("q8_0"), WARM_UP) as model:
            texts.append(model.complete(chatml("open"), Options(max_tokens=12, seed=7)).text)
    assert texts[0] == texts[1]
