"""A small evaluation: what the stages before leave behind, and the grid that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.evaluator.material import ScriptedEngine, make_chat, make_gguf, make_row

from so8t_engines.choice import open_engine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.asking import Candidate
from so8t_evaluator.evaluating import Inputs
from so8t_evaluator.grid import Count, Grid
from so8t_evaluator.importing import write_registry
from so8t_evaluator.rows import select
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.labels import LABELS
from so8t_shared.results.answers import Sample
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.quantizations import Quantization

QUANTIZATIONS: tuple[Quantization, ...] = ("q8_0", "q4_k_m")
WORDS = dict(zip(LABELS, ("show", "approve", "copy", "destroy"), strict=True))
ROWS_PER_CLASS = 3
ASKED = len(LABELS) * ROWS_PER_CLASS * (2 * 2 * 2 + 1)
"""Rows times two models, two quantizations, two scorings; and the control."""


def _answer(model: str, prompt: str) -> str:
    """B knows every class, A answers ALLOW to everything."""
    known = next(label for label, word in WORDS.items() if f"{word} it" in prompt)
    return f"<final>{known if model.startswith('model-b') else 'ALLOW'}</final>"


def make_config() -> Config:
    """Two quantizations, both scorings, a control, three rows a class."""
    return Config.model_validate(
        {
            "model_a": {"base_model": "m"},
            "dataset": {"paths": ["d"]},
            "gguf": {"quantizations": list(QUANTIZATIONS)},
            "ollama": {"model_a_name": "model-a", "model_b_name": "model-b"},
            "ab_test": {
                "bootstrap_resamples": 100,
                "max_samples": len(LABELS) * ROWS_PER_CLASS,
                "max_new_tokens": 48,
                "threads": 1,  # by default the cores that are free at that moment, which the result names
            },
        }
    )


def make_inputs(config: Config, folder: Path) -> Inputs:
    """What the stages before leave behind; the GGUF files hold nothing, since no engine opens them."""
    converted: dict[Side, Path] = {side: folder / side for side in SIDES}
    for side, model in converted.items():
        model.mkdir()
        (model / "chat.json").write_text(make_chat().model_dump_json(), encoding="utf-8")
        for quantization in QUANTIZATIONS:
            make_gguf(model / f"model_{side}_{quantization}.gguf", f"{side} {quantization}")
    splits, output = folder / "splits", folder / "import"
    splits.mkdir()
    output.mkdir()
    rows = [
        make_row(f"{word} it {i}", label, language="ja" if i == 1 else "en")
        for label, word in WORDS.items()
        for i in range(10)
    ]
    for name, part in (("train", rows[::2]), ("test", rows[1::2])):
        (splits / f"{name}.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in part), encoding="utf-8")
    return Inputs(write_registry(config, converted, output), converted, splits)


def make_grid(config: Config, inputs: Inputs, shelves: Shelves, report: Any = lambda done, total, text: None) -> Grid:
    """The grid of `ask_models`, asked with a scripted engine that goes by the configured one's name."""
    real = open_engine(config)
    engine = ScriptedEngine(
        _answer, name=real.name, version=real.version, host=real.host, answer_settings=real.answer_settings
    )
    candidates = {
        (m.model, m.quantization): Candidate(
            m.model,
            m.quantization,
            ModelFile(m.name, inputs.converted[m.model] / m.file, m.sha256, 4096),
            make_chat(),
        )
        for m in inputs.registry.models
    }
    rows = select(LabeledRow.read_lines(inputs.splits / "test.jsonl"), config.ab_test.max_samples)
    return Grid(candidates, rows, engine, config.ab_test, shelves, "first", Count(ASKED, report))


def ask_everything(grid: Grid) -> list[Sample]:
    """All pairs' answers, then the control's."""
    samples = [sample for quantization in QUANTIZATIONS for sample in grid.ask_pair(quantization)[0]]
    return samples + grid.ask_control("q4_k_m")
