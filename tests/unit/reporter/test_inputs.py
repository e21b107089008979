"""Reading what the stages before have left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.reporter.builders_upstream import TRAINING_CONFIG, Folders
from tests.unit.reporter.rendering import read

from so8t_reporter.inputs import Names, ReportInputs, ReportSettings
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError, NewerFormat
from so8t_shared.json_files import write_json
from so8t_shared.results.conversion import SERVED_FILE, Served


def test_everything_is_read(inputs: ReportInputs) -> None:
    """All measurements, samples, steps, rows and conversions arrive."""
    assert len(inputs.samples) == 320 * 12
    assert len(inputs.points) == 60
    assert len(inputs.test_rows) == 320
    assert set(inputs.conversion) == set(inputs.chat) == {"convert-a", "convert-b"}
    assert inputs.training_config == TRAINING_CONFIG
    assert inputs.quantizations == ["f16", "q8_0", "q4_k_m"]


def test_quantizations_keep_one_order(inputs: ReportInputs) -> None:
    """Whatever the order of measuring, the most precise comes first."""
    turned = inputs.evaluation.model_copy(update={"comparisons": inputs.evaluation.comparisons[::-1]})
    assert ReportInputs(**(vars(inputs) | {"evaluation": turned})).quantizations == ["f16", "q8_0", "q4_k_m"]


def _remove(path: Path) -> None:
    path.unlink()


def _break_json(path: Path) -> None:
    path.write_text('{"schema_version": 1,', encoding="utf-8")


def _not_utf8(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def _unknown_key(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("{", '{"new_key": 1, ', 1), encoding="utf-8")


def _newer(path: Path) -> None:
    path.write_text(
        path.read_text(encoding="utf-8").replace('"schema_version":4', '"schema_version":5'), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("conclude/evaluation.json", _remove),
        ("conclude/evaluation.json", _newer),
        ("evaluate/samples.jsonl", _unknown_key),
        ("train/metrics.jsonl", _break_json),
        ("train/data_report.json", _not_utf8),
        ("train/training_config.yaml", _remove),
        ("convert-b/chat.json", _unknown_key),
    ],
)
def test_damaged_input(folders: Folders, tmp_path: Path, file: str, damage: Callable[[Path], None], said: Said) -> None:
    """A file that is missing or not what its stage writes is named, with what is wrong in it."""
    shutil.copytree(folders.evaluate.parent, tmp_path / "copy")
    damage(tmp_path / "copy" / file)
    copied = Folders.below(tmp_path / "copy")
    with said.raised(NewerFormat if damage is _newer else IntegrityError) as caught:
        read(copied)
    assert Path(file).name in caught.value.where


def test_headline_must_exist(folders: Folders, tmp_path: Path, said: Said) -> None:
    """An evaluation without its own primary comparison is refused before anything is drawn."""
    shutil.copytree(folders.evaluate.parent, tmp_path / "copy")
    path = tmp_path / "copy/conclude/evaluation.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace('"primary_scoring":"generate"', '"primary_scoring":"constrained"'),
        encoding="utf-8",
    )
    read(Folders.below(tmp_path / "copy"))
    path.write_text(
        path.read_text(encoding="utf-8").replace('"scoring":"constrained"', '"scoring":"generate"'), encoding="utf-8"
    )
    with said.raised(IntegrityError):
        read(Folders.below(tmp_path / "copy"))


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("b_better", {"p_value": 0.051, "p_adjusted": None}),
        ("b_better", {"p_value": 0.01, "p_adjusted": 0.06}),
        ("a_better", {}),
        ("b_better", {"only_a_right": 161, "only_b_right": 15}),
        ("same_classes", {}),
        ("no_difference", {}),
    ],
)
def test_unsupported_verdict_is_refused(
    folders: Folders, tmp_path: Path, name: str, update: dict[str, float], said: Said
) -> None:
    """A verdict that its own counts and p value do not support is refused before anything is drawn."""
    shutil.copytree(folders.evaluate.parent, tmp_path / "copy")
    path = tmp_path / "copy/conclude/evaluation.json"
    evaluation = json.loads(path.read_text(encoding="utf-8"))
    evaluation["comparisons"][0] |= {"verdict": name, "read_from_both": None, **update}
    path.write_text(json.dumps(evaluation), encoding="utf-8")
    with said.raised(IntegrityError):
        read(Folders.below(tmp_path / "copy"))


@pytest.mark.parametrize(
    ("model_b", "expected"), [(None, ""), ({"base_model": "b", "description": "its own"}, "its own")]
)
def test_settings_from_config(model_b: dict[str, str] | None, expected: str) -> None:
    """Names are those in Ollama; model B is described only by a section of its own."""
    config = Config.model_validate(
        {
            "model_a": {"base_model": "a", "description": "the base"},
            "model_b": model_b,
            "dataset": {"paths": "rows.jsonl"},
            "ollama": {"model_a_name": "one", "model_b_name": "two"},
        }
    )
    settings = ReportSettings.from_config(config, "s1")
    assert settings.names == Names("one", "two", "the base", expected)
    assert (settings.names.of("a"), settings.names.of("b")) == ("one", "two")
    assert settings.session_id == "s1"


def test_a_model_that_a_server_had(folders: Folders, tmp_path: Path) -> None:
    """Its description is read beside its conversion, and its name there is model B's."""
    assert read(folders).served is None
    shutil.copytree(folders.evaluate.parent, tmp_path / "copy")
    served = Served(name="theirs:1", digest="d" * 64, size_bytes=7, quantization="q8_0", system="", parameters="")
    write_json(tmp_path / "copy" / folders.convert_b.name / SERVED_FILE, served)
    assert read(Folders.below(tmp_path / "copy")).served == served
    config = Config.model_validate(
        {
            "model_a": {"base_model": "a"},
            "model_b": {"ollama": "theirs:1", "description": "someone's"},
            "dataset": {"paths": "rows.jsonl"},
            "gguf": {"quantizations": "q8_0"},
            "ab_test": {"engine": "ollama"},
        }
    )
    assert ReportSettings.from_config(config, "s1").names.b == "theirs:1"
