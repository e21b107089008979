"""The one list of stages: it agrees with the contract and with the configuration."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config

from so8t_shared.config.model import Config
from so8t_shared.config.table import config_keys
from so8t_shared.errors import ConfigError
from so8t_shared.stage_inputs import DataInput, ModelInput
from so8t_shared.stages import BY_NAME, STAGES, stage_named, under
from so8t_shared.tables.functions import named

NAMES = ["convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"]


def test_stages_in_order() -> None:
    """The names of the contract, each after all that it needs."""
    assert [stage.name for stage in STAGES] == NAMES
    for index, stage in enumerate(STAGES):
        assert set(stage.needs) <= set(NAMES[:index])


def test_needs_are_the_contract() -> None:
    """Who needs whom, as documented."""
    assert {stage.name: set(stage.needs) for stage in STAGES} == {
        "convert-a": set(),
        "train": set(),
        "convert-b": {"train"},
        "import": {"convert-a", "convert-b", "train"},
        "evaluate": {"import", "train", "convert-a", "convert-b"},
        "conclude": {"evaluate", "train"},
        "report": {"evaluate", "conclude", "import", "train", "convert-a", "convert-b"},
    }


@pytest.mark.parametrize("external", [{}, {"gguf": "b.gguf"}], ids=str)
def test_calibrating_on_prompts_waits_for_their_split(tmp_path: Path, external: dict[str, str]) -> None:
    """Only then: A after train, of which only the training side's rows count; an external B is never quantized."""
    rows = "splits/train.jsonl"
    plain, guided = (
        under(make_config(tmp_path, gguf={"quantizations": ["q8_0"], "imatrix": imatrix}, model_b=external or None))
        for imatrix in (None, "prompts")
    )
    assert plain == list(STAGES)
    assert [stage.name for stage in guided] == ["train", "convert-a", *NAMES[2:]]
    needs = {stage.name: stage.needs for stage in guided}
    assert needs["convert-a"] == {"train": (rows,)}
    added = () if external else (rows,)
    assert needs["convert-b"] == {"train": (*BY_NAME["convert-b"].needs["train"], *added)}
    assert {**needs, "convert-a": {}, "convert-b": {}} == {s.name: s.needs for s in STAGES} | {"convert-b": {}}


def test_without_a_matrix_nothing_names_one(tmp_path: Path) -> None:
    """So keys, and with them older artifacts, stay as they were; a file's name and place in the key come with it."""
    plain, named = (make_config(tmp_path, gguf={"imatrix": value}) for value in (None, "some/m.gguf"))
    names = {name: [item.name for item in BY_NAME[name].inputs(plain)] for name in ("convert-a", "convert-b")}
    assert names == {"convert-a": ["model_a"], "convert-b": []}
    assert not {key for name in names for key in BY_NAME[name].reads if "imatrix" in key or key == "gguf"}
    assert not any(BY_NAME[name].facts for name in names)
    for name, before in names.items():
        assert [item.name for item in BY_NAME[name].inputs(named)] == [*before, "gguf.imatrix (m.gguf)"]


def test_every_key_read_exists() -> None:
    """A stage declares keys or whole sections that the configuration has, each once."""
    leaves = {key for key, _ in config_keys()}
    sections = {".".join(key.split(".")[:n]) for key in leaves for n in range(1, key.count(".") + 1)}
    for stage in STAGES:
        assert set(stage.reads) <= leaves | sections
        assert len(set(stage.reads)) == len(stage.reads)
        assert set(stage.shared.reads if stage.shared else ()) <= leaves | sections


def test_four_services() -> None:
    """Each stage has work that can be imported, in one of four services, a summary and a version."""
    services = ["so8t_converter", "so8t_evaluator", "so8t_reporter", "so8t_trainer"]
    assert sorted({stage.module for stage in STAGES}) == services
    for stage in STAGES:
        assert callable(named(stage.work))
        assert stage.version >= 1
        assert stage.summary


def test_unknown_stage(said: Said) -> None:
    """A name that is none is a ConfigError that lists all of them."""
    assert stage_named("train") is BY_NAME["train"]
    with said.raised(ConfigError) as caught:
        stage_named("trian")
    assert all(name in caught.value.remedy for name in NAMES)


def test_external_inputs(config: Config) -> None:
    """convert-a reads model A, train reads the base of B and every data file; the others read the store alone."""
    inputs = {stage.name: stage.inputs(config) for stage in STAGES}
    assert [i.name for i in inputs["convert-a"]] == ["model_a"]
    assert [i.name for i in inputs["train"]] == ["model_b", "dataset.paths[0]"]
    assert not any(inputs[name] for name in NAMES if name not in {"convert-a", "train"})


def test_the_base_of_b(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Training starts from model_b, or from model A where none is given; its test data count as input."""
    root = tmp_path_factory.mktemp("x")
    own = make_config(root, model_b={"base_model": "/b"}, ab_test={"test_data": "/test.jsonl"})
    [base, rows, test] = BY_NAME["train"].inputs(own)
    assert isinstance(base, ModelInput)
    assert str(base.path) == "/b"
    assert isinstance(rows, DataInput)
    assert test == DataInput("ab_test.test_data", "/test.jsonl")
    [base, _] = BY_NAME["train"].inputs(make_config(root))
    assert isinstance(base, ModelInput)
    assert base.path == root / "model"


def test_a_look_at_the_inputs_is_the_services_own() -> None:
    """The functions that a stage names for `plan` and `run` are in the package that runs the stage."""
    checks = [stage for stage in STAGES if stage.check]
    assert [stage.name for stage in checks] == ["convert-a", "train", "convert-b", "evaluate"]
    assert [stage.name for stage in STAGES if stage.fits] == ["train"]
    for stage, target in ((one, target) for one in checks for target in (one.check, one.fits) if target):
        module, _, name = target.partition(":")
        assert module.startswith(f"{stage.module}.")
        assert callable(getattr(importlib.import_module(module), name))
